"""How often a label is there and how often it is answered, counted in a variant's confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from freezenet.benchmarks.figures import three_digits

#: How a class is called that is no finding: nobody asks how rare it may be.
_NO_FINDING = {"normal", "no finding", "healthy", "clear", "negative"}
#: Share of the example.
_RARE = 0.01


@dataclass(frozen=True)
class LabelCounts:
    """Test images of one label, all of them answered.

    Args:
        found, missed: images with the label, of which it is answered and not.
        wrongly, without: images without the label, of which it is answered and not.
    """

    found: int
    missed: int
    wrongly: int
    without: int

    @classmethod
    def of(cls, variant: Mapping[str, Any], label: str) -> LabelCounts | None:
        """Count a label of a variant in results.json; None where it holds no matrix."""
        if "confusion_matrices" in variant:
            (without, wrongly), (missed, found) = variant["confusion_matrices"][label]
            return cls(found, missed, wrongly, without)
        if "confusion_matrix" not in variant:
            return None
        matrix, number = variant["confusion_matrix"], variant["labels"].index(label)
        found, there, answered = matrix[number][number], sum(matrix[number]), sum(row[number] for row in matrix)
        return cls(found, there - found, answered - found, sum(map(sum, matrix)) - there - answered + found)

    @property
    def there(self) -> int:
        """How many images have the label."""
        return self.found + self.missed

    @property
    def others(self) -> int:
        """How many do not."""
        return self.wrongly + self.without

    @property
    def answered(self) -> int:
        """Of how many images it is answered."""
        return self.found + self.wrongly

    def right_where(self, share: float) -> float:
        """Return which share of these answers is right where this share of the images, 0..1, has the label (Bayes' theorem)."""
        hits, alarms = share * self.found / self.there, (1 - share) * self.wrongly / self.others
        return hits / (hits + alarms)


def rare_example(variant: Mapping[str, Any]) -> str:
    """Return what becomes of the answers of one class where it is rare, in a sentence; "" where no class is now and then named wrongly."""
    counts = {label: LabelCounts.of(variant, label) for label in variant["per_class"]}
    known = {label: one for label, one in counts.items() if one is not None and one.found and one.wrongly}
    known = {label: one for label, one in known.items() if one.there > _RARE * (one.there + one.others)}
    findings = {label: one for label, one in known.items() if label.replace("_", " ").casefold() not in _NO_FINDING}
    if not (known := findings or known):
        return ""
    label, one = min(known.items(), key=lambda pair: pair[1].right_where(_RARE))
    return (
        f"{label} is found in {one.found} of {one.there} images and wrongly named in {one.wrongly} of {one.others} others: where "
        f"{_percent(one.there / (one.there + one.others))} of the images are {label}, as here, {_percent(one.found / one.answered)} of such answers are "
        f"right, where {_percent(_RARE)} are, {_percent(one.right_where(_RARE))}."
    )


def _percent(share: float) -> str:
    return f"{three_digits(100 * share) if share < 0.01 else f'{100 * share:.0f}'} %"
