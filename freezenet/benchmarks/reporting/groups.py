"""The groups of images that a report shows, by class, source and other columns, with the sources named as the report names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from freezenet.benchmarks.quality.slices import worst_sentence


@dataclass(frozen=True)
class Groups:
    """Groups of the test images of one variant.

    Args:
        rows: of `freezenet.benchmarks.quality.slices.sliced`.
        least_patients: groups with fewer are not ranked.
        patients: of all test images.
        worst: where the variant does worst, in a sentence.
        worst_class: whether that is a class.
        worst_loss: where it loses most against the reference, in a sentence; "" for the reference itself.
    """

    rows: tuple[dict[str, Any], ...] = ()
    least_patients: int = 0
    patients: int = 0
    worst: str = ""
    worst_class: bool = False
    worst_loss: str = ""

    @classmethod
    def of(cls, comparison: Mapping[str, Any], name: str, source_names: Mapping[str, str]) -> Groups:
        """Read those of a variant in results.json; none where it holds none. source_names: of each source, as the report says it."""
        one, reference = comparison["variants"][name], comparison["reference"]
        if (found := one.get("slices")) is None:
            return cls()

        def named(row: dict[str, Any] | None) -> dict[str, Any] | None:
            if row is None:
                return None
            row = {**row, "same_as": named(row["same_as"])} if "same_as" in row else row
            return {**row, "value": source_names.get(row["value"], "unknown")} if row["column"] == "source" else row

        found = {**found, **{key: named(found[key]) for key in ("worst", "worst_loss")}}
        return cls(
            tuple(row for row in map(named, found["slices"]) if row is not None),
            found["least_patients"],
            one["patients"],
            worst_sentence(found, name),
            found["worst"] is not None and found["worst"]["column"] == "class",
            "" if name == reference else worst_sentence(found, name, reference),
        )

    @property
    def counted(self) -> bool:
        """Whether the answers that were given are counted for each group."""
        return any("answered" in row for row in self.rows)

    @property
    def repeated_patients(self) -> bool:
        """Whether patients have images in more than one group of a column."""
        columns = {row["column"] for row in self.rows}
        sums = (sum(row["patients"] for row in self.rows if row["column"] == column) for column in columns)
        return any(one > self.patients for one in sums)
