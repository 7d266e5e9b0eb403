"""Measurements on other devices: what is carried there, how they are reached, and one table over all of them."""
