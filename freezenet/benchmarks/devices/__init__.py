"""Measurements on other devices: what is carried there, how they are reached, and one table over all of them."""

#: Machines, as `uname -m` says it, and versions of Python that the base install can be bundled for.
PLATFORMS = ("aarch64", "armv7l", "x86_64")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
