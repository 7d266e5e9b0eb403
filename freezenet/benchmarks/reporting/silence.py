"""What a file answers, what it keeps silent about, and whether its promise about wrong answers was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freezenet.edge_runtime.names import counted, listed
from freezenet.train.metrics.figure import Figure

#: More groups are not told one by one.
_MOST = 6


@dataclass(frozen=True)
class Silence:
    """Test images that a file may answer or call uncertain.

    Args:
        images: how many there are.
        answered: how many it answers.
        wrong: how many of these answers are wrong.
        most_wrong: the share of wrong answers that so few images leave possible, 0..1: the upper end of its 95 % interval.
    """

    images: int
    answered: int
    wrong: int
    most_wrong: float

    @classmethod
    def of(cls, variant: Mapping[str, Any], images: int) -> Silence | None:
        """Count a variant of results.json; None where it holds no figures of probabilities."""
        if not (figures := variant.get("probabilities")):
            return None
        # A file that never abstains answers all.
        answered = round(figures["coverage"]["value"] * images) if figures["coverage"] else images
        right = Figure(**(figures["accuracy_answered"] or variant["accuracy"]))
        return cls(images, answered, answered - round(right.value * answered), right.rest().high)

    def sentence(self, name: str) -> str:
        """Return what is answered, and how much of it is or may be wrong. name: of the file."""
        if not self.answered:
            return f"{name} is uncertain about all of the {counted(self.images, 'test image')}."
        silent = self.images - self.answered
        which = (
            f"{self.answered} of the {counted(self.images, 'test image')}"
            if silent
            else f"all {counted(self.images, 'test image')}"
        )
        said = f"{name} answers {which}" + (f' and says "uncertain" about the other {silent}' if silent else "")
        found = "none" if not self.wrong else f"{self.wrong} ({100 * self.wrong / self.answered:.1f} %)"
        verb = "is" if self.wrong < 2 else "are"
        return (
            f"{said}. Of the {counted(self.answered, 'answer')} {found} {verb} wrong, and so few images leave up to "
            f"{100 * self.most_wrong:.1f} % possible."
        )

    def promise(self, confidence: Mapping[str, Any]) -> str:
        """Return whether the share of wrong answers that was aimed at is shown. confidence: of metrics.json; "" where it names no bound."""
        if "risk_bound" not in confidence or not self.answered:
            return ""
        here, there = self.most_wrong <= confidence["risk"], confidence["risk_bound"] <= confidence["risk"]
        promise = f"The promise that at most {100 * confidence['risk']:g} % of its answers are wrong is"
        chosen = f"the {counted(confidence['images'], 'validation image')} that it was chosen on"
        if not here and not there:
            return f"{promise} not shown: neither by {chosen}, nor by these."
        return f"{promise} {'' if there else 'not '}shown by {chosen}, {'and' if here and there else 'but'} {'' if here else 'not '}by these."


def answered_by_group(groups: Sequence[Mapping[str, Any]], name: str) -> str:
    """Return how much a file answers of each class, in a sentence; "" where that was not counted, or is all.

    Args:
        groups: rows of `freezenet.benchmarks.quality.slices.sliced`.
        name: of the file.
    """
    classes = [one for one in groups if one["column"] == "class" and "answered" in one]
    if len(classes) < 2 or all(one["answered"] == one["images"] for one in classes):
        return ""

    def said(one: Mapping[str, Any]) -> str:
        return f"{one['answered']} of {one['images']} images of {one['value']}"

    if len(classes) > _MOST:
        ranked = sorted(classes, key=lambda one: one["answered"] / one["images"])
        return f"{name} answers most often {said(ranked[-1])}, and least often {said(ranked[0])}."
    return f"{name} answers {listed([said(one) for one in classes])}."
