"""The figures of a screening, counted shard by shard: answers, reasons, sources, months, and the histograms that the card has, too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.screen.engines.answers import ANSWERED, OOD, PROBABILITY
from freezenet.edge_runtime.screen.folder import ScreenFolder
from freezenet.edge_runtime.screen.rows import SCHEMA_VERSION, VERSION_KEY
from freezenet.edge_runtime.screen.summary.drift import Drift, compared
from freezenet.edge_runtime.screen.summary.histogram import NO_LABEL, Histogram

#: What stands for an image whose source or month is not known.
UNKNOWN = "not known"
#: What differs between two sentences of one kind: quoted text, URLs, numbers; but not a DICOM tag with its name.
_PARTICULAR = re.compile(
    r"(\([0-9A-F]{4},[0-9A-F]{4}\)(?: '[^']*')?)|'[^']*'|\"[^\"]*\"|\S+://\S+|(?<![A-Za-z\d])\d(?:[\d,.]*\d)?"
)


@dataclass
class Figures:
    """What was counted; an answer is a label, or the reason for which there is none.

    Args:
        statuses: Status -> rows.
        answers: Answer -> rows.
        errors: Kind of sentence -> rows.
        sources: Source -> answer -> rows; those without an answer count as their status.
        months: The same for the month of DICOM files.
        duplicates: Rows that took an answer over.
        histograms: Name of a quantity -> its values, without duplicates.
        own_answers: Answer -> rows, without duplicates.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    sources: dict[str, Counter[str]] = field(default_factory=dict)
    months: dict[str, Counter[str]] = field(default_factory=dict)
    duplicates: int = 0
    histograms: dict[str, Histogram] = field(default_factory=dict)
    own_answers: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(self.statuses.values())

    def drift(self, reference: Mapping[str, Any]) -> list[Drift]:
        """Compare with the card's `reference`; what it does not have is not compared."""
        histograms = reference_histograms(reference)
        pairs = [
            (name, one.counts, self.histograms[name].counts)
            for name, one in histograms.items()
            if name in self.histograms
        ]
        expected = {str(answer): int(count) for answer, count in reference["answers"].items()}
        answers = sorted({*expected, *self.own_answers})
        pairs.append(
            ("answers", tuple(expected.get(one, 0) for one in answers), tuple(self.own_answers[one] for one in answers))
        )
        return compared(pairs, ordered=[True] * (len(pairs) - 1) + [False])


def counted_rows(folder: ScreenFolder, reference: Mapping[str, Any] | None) -> Figures:
    """Count the rows of a screening.

    Args:
        folder: Where they lie.
        reference: Of the card, which says between which edges values are counted; None: they are not.

    Raises:
        DataError: There are no rows, or those of another version.
    """
    figures = Figures()
    histograms = reference_histograms(reference) if reference else {}
    for path in folder.finished_shards():
        with pq.ParquetFile(path) as file:
            version = (file.schema_arrow.metadata or {}).get(VERSION_KEY)
            if version != str(SCHEMA_VERSION).encode():
                raise DataError(
                    f"Rows of version {SCHEMA_VERSION} are required. Got: {path.name} of {version!r:.40}; update freezenet."
                )
            _count(figures, file.read(), histograms)
    if not figures.rows:
        raise DataError(f"A screening with rows is required. Got: {folder.path} without a finished shard.")
    return figures


def reference_histograms(reference: Mapping[str, Any]) -> dict[str, Histogram]:
    """Return column -> histogram of a card's `reference`."""
    found = {PROBABILITY + label: Histogram.from_dict(one) for label, one in reference["probabilities"].items()}
    return found | {f"{OOD}{number}": Histogram.from_dict(one) for number, one in enumerate(reference.get("ood", ()))}


def _count(figures: Figures, rows: pa.Table, histograms: Mapping[str, Histogram]) -> None:
    label = pc.if_else(pc.equal(rows["label"], ""), NO_LABEL, rows["label"])
    rows = rows.append_column("answer", pc.coalesce(label, rows["reason"], rows["status"]))
    answered = rows.filter(pc.equal(rows["status"], ANSWERED))
    own = answered.filter(pc.is_null(answered["duplicate_of"]))
    figures.statuses.update(_counts(rows, "status"))
    figures.answers.update(_counts(answered, "answer"))
    figures.own_answers.update(_counts(own, "answer"))
    figures.duplicates += len(rows) - rows["duplicate_of"].null_count
    for sentence, number in _counts(rows, "error").items():
        figures.errors[_kind(sentence)] += number
    for column, groups in (("source", figures.sources), ("month", figures.months)):
        named = pc.coalesce(rows[column], UNKNOWN)
        table = (
            pa.table({"group": named, "answer": rows["answer"]})
            .group_by(["group", "answer"])
            .aggregate([([], "count_all")])
        )
        for one in table.to_pylist():
            groups.setdefault(one["group"], Counter())[one["answer"]] += one["count_all"]
    for name, empty in histograms.items():
        if name in rows.column_names:
            found = empty.again(np.asarray(own[name].to_numpy(), np.float64))
            figures.histograms[name] = figures.histograms[name].plus(found) if name in figures.histograms else found


def _counts(rows: pa.Table, column: str) -> dict[str, int]:
    found = pc.value_counts(rows[column]).to_pylist()
    return {one["values"]: one["counts"] for one in found if one["values"] is not None}


def _kind(sentence: str) -> str:
    """Return a sentence without what is particular to one file, so that equal reasons count together."""
    return _PARTICULAR.sub(lambda found: found[1] or "…", sentence).replace("….", "…")
