from __future__ import annotations

import pytest

from freezenet.benchmarks.figures import three_digits


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"), (0.00123456, "0.00123"), (0.0049999, "0.00500"), (0.0999951, "0.100"), (0.9999, "1.00"), (1.2, "1.20"),
        (9.996, "10.0"), (12.345, "12.3"), (99.96, "100"), (123.4, "123"), (1234.5, "1230"), (-0.5, "-0.500"),
        (float("nan"), "nan"),
    ],
)  # fmt: skip
def test_three_significant_digits_as_plain_decimals(value, shown):
    assert three_digits(value) == shown
