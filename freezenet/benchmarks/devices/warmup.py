"""The rule by which a model counts as warm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

#: Inferences whose median is compared with that of the ones before.
_BLOCK = 10
#: How far two medians that follow each other may be apart.
_APART = 0.03
#: After this many inferences, or seconds, the figures are taken as they are.
_MOST, _SECONDS = 200, 5.0
RULE = (
    f"inferences in blocks of {_BLOCK} until the medians of three blocks in a row are within {_APART:.0%} of each other, at most "
    f"{_MOST} inferences or {_SECONDS:g} seconds"
)
_BLOCKS = 3


@dataclass(frozen=True)
class WarmUp:
    """What warming up came to.

    Args:
        times: milliseconds of each inference, in their order.
        stable: whether the rule was met before the limit.
    """

    times: tuple[float, ...]
    stable: bool

    def to_dict(self) -> dict[str, Any]:
        """Return count, mean and outcome with the rule (JSON types)."""
        return {"inferences": len(self.times), "stable": self.stable, "rule": RULE}


def warm_up(invoke: Callable[[], float]) -> WarmUp:
    """Run inferences until their times no longer change; `invoke` runs one and returns its milliseconds."""
    times: list[float] = []
    medians: list[float] = []
    while len(times) < _MOST and sum(times) < _SECONDS * 1e3:
        times.append(invoke())
        if len(times) % _BLOCK:
            continue
        medians.append(median(times[-_BLOCK:]))
        last = medians[-_BLOCKS:]
        if len(last) == _BLOCKS and max(last) <= (1 + _APART) * min(last):
            return WarmUp(tuple(times), True)
    return WarmUp(tuple(times), False)
