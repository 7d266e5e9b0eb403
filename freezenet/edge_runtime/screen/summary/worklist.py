"""The images that a reader should look at first, as a CSV table: the most suspicious ones, and each content once."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.files import write_bytes
from freezenet.edge_runtime.names import meant
from freezenet.edge_runtime.screen.engines.answers import ANSWERED, PROBABILITY
from freezenet.edge_runtime.screen.folder import ScreenFolder

#: Rows of the list; the documentation shows how to have all of them.
MOST = 10_000
#: Names of the class that nothing is suspected of.
_NORMAL = re.compile(r"normal|healthy|clear|negative|no[ _-]?findings?", re.IGNORECASE)
#: What a program that opens tables takes for the begin of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Suspicion:
    """How suspicious an answer is, 0..1.

    Args:
        labels: The model's classes.
        is_multi_label: Any number of them is true.
        only: The class that is looked for; None: everything but the normal class, or, where none bears such a name, the most probable one.

    Raises:
        SettingError: There is no such class.
    """

    def __init__(self, labels: Sequence[str], is_multi_label: bool, only: str | None = None) -> None:
        """Choose the rule."""
        if only is not None and only not in labels:
            raise SettingError(
                f"A label of {', '.join(labels)} is required for --only. Got: {only}.{meant(only, labels)}"
            )
        normal = next((one for one in labels if _NORMAL.fullmatch(one)), None)
        others = [one for one in labels if one != normal]
        if only is not None:
            self.rule, self._less, self._columns = f"probability of {only}", False, [only]
        elif normal is not None and not is_multi_label:
            self.rule, self._less, self._columns = f"1 - probability of {normal}", True, [normal]
        else:
            self.rule, self._less, self._columns = (
                f"highest probability of {', '.join(others)}",
                False,
                others or list(labels),
            )

    def of(self, rows: pa.Table) -> np.ndarray:
        """Return the suspicion (n,) of rows that have probabilities."""
        values = np.stack([np.asarray(rows[PROBABILITY + one].to_numpy(), np.float64) for one in self._columns])
        return 1 - values[0] if self._less else values.max(0)


def write_worklist(folder: ScreenFolder, path: Path, suspicion: Suspicion, labels: Sequence[str]) -> int:
    """Write the most suspicious images, the first of each content, and return how many.

    What is no chest X-ray has no probabilities and is not in it; "uncertain" ones are.
    """
    columns = [
        "uri",
        "source",
        "label",
        "reason",
        *(PROBABILITY + one for one in labels),
        "cam",
        "study",
        "series",
        "instance",
        "month",
    ]
    best: list[tuple[float, int, dict[str, Any]]] = []
    for shard in folder.finished_shards():
        rows = pq.read_table(shard, columns=["number", "status", "duplicate_of", *columns])
        rows = rows.filter(pc.and_(pc.equal(rows["status"], ANSWERED), pc.is_null(rows["duplicate_of"])))
        rows = rows.filter(pc.is_valid(rows[PROBABILITY + labels[0]]))
        values = suspicion.of(rows)
        places = np.argsort(-values, kind="stable")[:MOST]
        chosen = rows.take(places).to_pylist()
        best += [(-value, row["number"], row) for value, row in zip(values[places].tolist(), chosen, strict=True)]
        best = sorted(best, key=lambda one: one[:2])[:MOST]
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["rank", "suspicion", *columns])
    for rank, (value, _, row) in enumerate(best, 1):
        table.writerow([rank, f"{-value:.6f}", *(_cell(row[column]) for column in columns)])
    write_bytes(path, text.getvalue().encode())
    return len(best)


def _cell(value: Any) -> Any:
    """Return a value that no program takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
