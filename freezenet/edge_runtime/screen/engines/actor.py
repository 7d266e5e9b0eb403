"""An actor for Ray Data that answers inputs.

    ray.data.from_items([{"uri": "s3://archive/1.dcm"}]).map_batches(
        ScreenActor, fn_constructor_args=[Classifier("int8.tflite")], batch_size=64, compute=ray.data.ActorPoolStrategy(size=8)
    )

It holds a process with the interpreter, so that a file that kills its reader takes no actor with it and is named.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.ood import single_gates
from freezenet.edge_runtime.screen.engines.answers import OVERLAY, Answering
from freezenet.edge_runtime.screen.engines.reader import Reader
from freezenet.edge_runtime.screen.inputs.item import Item
from freezenet.edge_runtime.screen.rows import row_schema

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ScreenActor:
    """A callable for `Dataset.map_batches`: a batch with a column `uri` in, the rows of docs/screen.md out.

    Args:
        model: A classifier, which travels as bytes, so that no other machine needs the file; or the path of a model.
        cam: Also return the class activation map, as the bytes of a PNG file in the column `overlay`.
        only: Draw it where this label is answered, and nowhere else.
        plain_uids: Keep the UIDs of DICOM files as they are, and not their hashes.
        patience: How many times as long as usual a file may take to be decoded.

    Raises:
        ModelError: The model cannot be used.
    """

    def __init__(
        self,
        model: Classifier | str | Path,
        *,
        cam: bool = False,
        only: str | None = None,
        plain_uids: bool = False,
        patience: float = 1,
    ) -> None:
        """Start the process."""
        classifier = model if isinstance(model, Classifier) else Classifier(model)
        gates = len(single_gates(classifier.rule.gate))
        self._schema = row_schema(classifier.card.labels, gates).append(pa.field(OVERLAY, pa.binary()))
        self._identity = {key: classifier.identity[key] for key in ("model_sha256", "card_sha256")}
        self._reader = Reader(Answering(classifier, cam, only, plain_uids, patience=patience))

    def __call__(self, batch: Mapping[str, NDArray[Any] | Sequence[Any]] | pa.Table) -> pa.Table:
        """Return a row for each input, in their order.

        Args:
            batch: Columns of equal length: `uri`; and `number`, `source`, `container`, `member`, `offset`, `length` where they are known
                (`freezenet.edge_runtime.screen.inputs.item.Item`).

        Raises:
            DataError: There is no column `uri`.
            FreezenetError: No input can be answered.
        """
        items = iter(_items(batch))
        rows = [{**row, **self._identity} for row in self._reader.rows(lambda _may_wait: next(items, None))]
        return pa.Table.from_pylist(rows, schema=self._schema)

    def __del__(self) -> None:
        """End the process."""
        if hasattr(self, "_reader"):
            self._reader.end()


def _items(batch: Mapping[str, Any] | pa.Table) -> list[Item]:
    """Return the inputs of a batch; those without a number are counted from 0."""
    columns = {name: list(batch[name]) for name in batch} if isinstance(batch, Mapping) else batch.to_pydict()
    if "uri" not in columns:
        raise DataError(f"A batch with a column uri is required. Got: {', '.join(columns) or 'none'}.")
    count = len(columns["uri"])
    numbers = columns.get("number") or list(itertools.islice(itertools.count(), count))
    others = [columns.get(name) or [None] * count for name in Item._fields[2:]]
    return [
        Item(int(number), str(uri), *rest) for number, uri, *rest in zip(numbers, columns["uri"], *others, strict=True)
    ]
