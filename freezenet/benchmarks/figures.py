"""How a measured figure is shown: with the digits that it has, and no more."""

from __future__ import annotations

import math

#: More would claim what no repetition shows; fewer would make a small figure 0.
SIGNIFICANT_DIGITS = 3


def three_digits(value: float) -> str:
    """Return a figure with three significant digits as plain decimals: 0.00123, 1.20, 12.3, 1230."""
    if not value or not math.isfinite(value):
        return f"{value:.0f}"
    rounded = float(f"{value:.{SIGNIFICANT_DIGITS - 1}e}")
    after = SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:.{max(0, after)}f}"
