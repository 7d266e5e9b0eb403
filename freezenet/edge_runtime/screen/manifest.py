"""The manifest: every input of a screening, once and for good, in shards; a Parquet file for each shard.

It is written while IN is listed, a shard ahead of the work, so that a listing of ten million names delays nobody. A killed listing
is made again, and what it had named already keeps its number.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.files import write_atomically, write_bytes
from freezenet.edge_runtime.names import counted
from freezenet.edge_runtime.screen.index import NameIndex
from freezenet.edge_runtime.screen.inputs.item import Found, Item, local_uri
from freezenet.edge_runtime.screen.inputs.source import Source

logger = logging.getLogger(__name__)

_SCHEMA = pa.schema([("number", pa.int64()), ("uri", pa.string()), ("source", pa.string()), ("container", pa.string()),
                     ("member", pa.string()), ("offset", pa.int64()), ("length", pa.int64())])  # fmt: skip


@dataclass(frozen=True)
class Shard:
    """Consecutive inputs, whose rows become one file.

    Args:
        number: From 0.
        inputs: The part of the manifest.
    """

    number: int
    inputs: pa.Table

    def __len__(self) -> int:
        """How many inputs it has."""
        return int(self.inputs.num_rows)

    def with_numbers(self, numbers: Collection[int], *, without: bool = False) -> Shard:
        """Return it with the inputs of these numbers alone, or without them."""
        mask = pc.is_in(self.inputs["number"], pa.array(list(numbers), pa.int64()))
        return Shard(self.number, self.inputs.filter(pc.invert(mask) if without else mask))

    def items(self) -> Iterator[Item]:
        """Yield the inputs in their order."""
        for batch in self.inputs.to_batches(max_chunksize=1000):
            yield from map(Item, *(column.to_pylist() for column in batch.columns))


@dataclass(frozen=True)
class Listing:
    """What a finished listing found.

    Args:
        inputs: How many.
        repeated: How many names came again, and were left out.
        passed_over: What was no image: suffix or folder -> number of files.
    """

    inputs: int
    repeated: int
    passed_over: dict[str, int]


class Manifest:
    """The folder that holds it.

    Args:
        folder: Made where it is missing.
        names: The index of the names in it.
        size: Inputs of a shard.
    """

    def __init__(self, folder: Path, names: NameIndex, size: int) -> None:
        """Bring the index up to what lies in the folder."""
        self._folder, self._names, self._size = folder, names, size
        # What is written while IN is listed, where the one lies in the other.
        self._own = local_uri(str(folder.parent)) + os.sep
        folder.mkdir(exist_ok=True)
        last = self.parts() - 1
        if last >= 0 and self.listing() is None and self.length(last) < size:
            # Of a listing that was killed at its end: what it did not come to may belong here.
            self._part(last).unlink()
            names.clear()
        known = names.shards()
        for number in range(self.parts()):
            if number not in known:
                self._names.add(number, self.shard(number).inputs["uri"].to_pylist(), number * size)

    @property
    def _end(self) -> Path:
        # Beside the folder, in which nothing but Parquet lies for those who read it as one table.
        return self._folder.with_name("listing.json")

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:05d}.parquet"

    def parts(self) -> int:
        """Return how many shards are listed."""
        number = 0
        while self._part(number).is_file():
            number += 1
        return number

    def shard(self, number: int) -> Shard:
        """Read a shard that is listed."""
        return Shard(number, pq.read_table(self._part(number), schema=_SCHEMA))

    def length(self, number: int) -> int:
        """Return how many inputs a shard has that is listed."""
        return int(pq.read_metadata(self._part(number)).num_rows)

    def listing(self) -> Listing | None:
        """Return what was found, None where the listing is not finished."""
        return Listing(**json.loads(self._end.read_bytes())) if self._end.is_file() else None

    def shards(self, source: Source) -> Iterator[Shard]:
        """Yield all shards in their order: those that are listed, then those that this listing adds.

        Raises:
            DataError: There is no input at all, or the source cannot be listed.
        """
        listed = self.parts()
        for number in range(listed):
            yield self.shard(number)
        if self.listing() is not None:
            return
        passed_over: Counter[str] = Counter()
        repeated: Counter[str] = Counter()
        # What an earlier listing had named comes again, and is no repetition.
        fresh = self._fresh(source.found(passed_over), listed * self._size, repeated)
        number = listed
        while True:
            found = list(islice(fresh, self._size))
            shard = self._write(number, found) if found else None
            if len(found) < self._size:
                # Behind the last part and before the index has its names: see `__init__`.
                self._finish(number * self._size + len(found), repeated, passed_over)
            if shard is None:
                return
            self._names.add(number, (one.uri for one in found), number * self._size)
            yield shard
            if len(found) < self._size:
                return
            number += 1

    def _fresh(self, found: Iterator[Found], earlier: int, repeated: Counter[str]) -> Iterator[Found]:
        """Yield what no shard has and what has not come before in the present one."""
        here: set[str] = set()
        again = 0
        for one in found:
            if one.uri.startswith(self._own):
                continue
            if one.uri in here or self._names.has(one.uri):
                again += 1
                if again > earlier:
                    repeated["names"] += 1
                continue
            if len(here) == self._size:
                here.clear()  # by now they are in the index
            here.add(one.uri)
            yield one

    def _write(self, number: int, found: list[Found]) -> Shard:
        first = number * self._size
        columns = [list(range(first, first + len(found))), *map(list, zip(*found, strict=True))]
        table = pa.Table.from_arrays(
            [pa.array(values, field.type) for values, field in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA
        )
        write_atomically(self._part(number), lambda path: pq.write_table(table, path, compression="zstd"), durable=True)
        return Shard(number, table)

    def _finish(self, inputs: int, repeated: Counter[str], passed_over: Counter[str]) -> None:
        """Say what was passed over, and that the listing is at its end."""
        if not inputs:
            raise DataError(f"At least one image is required. Got: none{_kinds(passed_over)}.")
        if repeated["names"]:
            logger.warning("Inputs that were named again, and are answered once: %d.", repeated["names"])
        if passed_over:
            logger.warning("Files that are no images and were passed over: %s.", _kinds(passed_over).removeprefix(", "))
        listing = Listing(inputs, repeated["names"], dict(passed_over))
        write_bytes(self._end, json.dumps(asdict(listing)).encode(), durable=True)


def _kinds(passed_over: Counter[str]) -> str:
    """Return ", 3 files of .txt, 1 file of .json" for people, the most frequent kinds first."""
    return "".join(f", {counted(number, 'file')} {kind}" for kind, number in passed_over.most_common(20))
