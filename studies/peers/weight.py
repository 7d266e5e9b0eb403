"""What must lie on the disk for a way to run: its packages with all that they require."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import freezenet
from studies.install import distribution_bytes, files_bytes, weights
from studies.peers.ways import Start
from studies.tools import MissingToolError

_OURS = "freezenet"


def installed_megabytes(start: Start, packages: Sequence[str]) -> float:
    """Return the MB (2^20 bytes) that a way's packages take here; all of an environment that is its own.

    Raises:
        MissingToolError: one of them, or what one requires, is not installed.
    """
    if not packages:
        return round(sum(weights(start.python.parent.parent).values()), 1)
    found = required(packages)
    size = sum(distribution_bytes(one) for name, one in found.items() if name != _OURS)
    if _OURS in found:  # installed from the clone, its files are not in its record
        size += files_bytes(Path(freezenet.__file__).parent.rglob("*"))
    return round(size / 2**20, 1)


def required(packages: Iterable[str]) -> dict[str, Distribution]:
    """Return name -> distribution of packages and all that they require on this machine, without what is optional."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    left = [Requirement(one) for one in packages]
    while left:
        one = left.pop()
        name = canonicalize_name(one.name)
        try:
            found[name] = distribution(one.name)
        except PackageNotFoundError:
            raise MissingToolError(f"{one.name} is required. Got: none; run: pip install {one.name}.") from None
        for extra in {"", *one.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, extra))
            needs = map(Requirement, found[name].requires or ())
            left += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]
    return found
