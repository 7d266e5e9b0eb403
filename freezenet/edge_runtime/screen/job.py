"""A screening from its begin or its last kill to its end: shard after shard is listed, answered, settled and written."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from freezenet.edge_runtime.card import CARD_FILE
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DataError, SettingError, one_line
from freezenet.edge_runtime.files import write_bytes
from freezenet.edge_runtime.names import counted, meant
from freezenet.edge_runtime.ood import single_gates
from freezenet.edge_runtime.screen.duplicates import Duplicates, content_columns_of
from freezenet.edge_runtime.screen.engines.answers import ANSWERED, KNOWN, OVERLAY, PASSING, Row
from freezenet.edge_runtime.screen.folder import FOLDER_VERSION, ScreenFolder
from freezenet.edge_runtime.screen.index import ContentIndex, NameIndex
from freezenet.edge_runtime.screen.inputs.source import Source
from freezenet.edge_runtime.screen.manifest import Manifest, Shard
from freezenet.edge_runtime.screen.parts import Moments, Parts
from freezenet.edge_runtime.screen.progress import Progress
from freezenet.edge_runtime.screen.retries import Retries
from freezenet.edge_runtime.screen.rows import row_schema, write_rows
from freezenet.edge_runtime.screen.settings import ScreenSettings

logger = logging.getLogger(__name__)


class Engine(Protocol):
    """Who answers."""

    def rows(self, shards: Iterator[Shard]) -> Iterator[Row | None]:
        """Yield a row for each input of the shards, in any order, and None now and then where there is none, so that nobody waits long."""
        ...

    def patient(self) -> Engine:
        """Return one for inputs that are tried again; only after this one's `rows` has ended."""
        ...

    def close(self) -> None:
        """End whatever was started."""


@dataclass(frozen=True)
class Outcome:
    """What a screening has come to.

    Args:
        inputs: Rows that there are.
        statuses: Status -> number of rows.
        duplicates: Rows that took the answer of another one over.
        finished: Whether every input has its row.
    """

    inputs: int
    statuses: dict[str, int]
    duplicates: int
    finished: bool

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)


class Screening:
    """One job in its folder.

    Args:
        classifier: Which answers.
        source: The inputs.
        out: The folder, new or that of the same job.
        settings: See there.

    Raises:
        SettingError: The folder holds another job, another process is at work in it, or the model has no such label.
        ModelError: Class activation maps are asked for, and the model gives none.
    """

    def __init__(self, classifier: Classifier, source: Source, out: Path, settings: ScreenSettings) -> None:
        """Make the folder, or see that it is the one."""
        if settings.cam:
            classifier.require_cam()
        labels = classifier.card.labels
        if settings.only is not None and settings.only not in labels:
            raise SettingError(
                f"A label of {', '.join(labels)} is required for --only. Got: {settings.only}.{meant(settings.only, labels)}"
            )
        self.folder, self._source, self._size = ScreenFolder(out), source, settings.shard
        self._lock = self.folder.lock()
        self._identity = {key: classifier.identity[key] for key in ("model_sha256", "card_sha256")}
        self._job: dict[str, Any] = {
            "version": FOLDER_VERSION,
            **self._identity,
            "input": source.identity,
            "shard": settings.shard,
            "labels": list(labels),
            "gates": len(single_gates(classifier.rule.gate)),
            "dicom_tags": "checked" if classifier.trust_tags else "ignored",
            "cam": settings.cam,
            "only": settings.only,
            "uids": "plain" if settings.plain_uids else "hashed",
        }
        try:
            self.folder.begin(self._job, classifier.file.associated(CARD_FILE))
            self._schema = row_schema(self._job["labels"], self._job["gates"])
            self._contents = ContentIndex(self.folder.contents_index)
            self._duplicates = Duplicates(self.folder, self._contents, self._size, content_columns_of(self._job))
        except BaseException:
            self._lock.close()
            raise

    def run(self, engine: Engine, stop: threading.Event, *, retry: bool = False) -> Outcome:
        """Go on until every input has its row, or `stop` is set; what has no answer for a reason that may pass is tried once more.

        Shards that are under way at the stop are finished, if that takes no longer than `parts.GRACE`; of others, the rows so far are kept.

        Args:
            engine: Which answers.
            stop: Set by another thread, or by the handler of a signal.
            retry: Also try such inputs again where everything has its row.

        Raises:
            DataError: There is no input, or the source cannot be listed.
            FreezenetError: No input can be answered.
        """
        if self.folder.success_file.is_file():
            if not retry:
                engine.close()
                return self.outcome()
            self.folder.success_file.unlink()
        names = NameIndex(self.folder.names_index)
        try:
            manifest = Manifest(self.folder.manifest, names, self._size)
            self._answer(engine, manifest, stop)
            listing = manifest.listing()
            outcome = self.outcome()
            if listing is None or outcome.inputs < listing.inputs:
                return outcome
            retries = Retries(manifest, self.folder)
            if retries.has_any:
                self._answer_again(engine, retries, stop)
                outcome = self.outcome()
                if stop.is_set():
                    return outcome
            finished = {
                **outcome.to_dict(),
                "finished": True,
                "repeated": listing.repeated,
                "passed_over": listing.passed_over,
            }
            write_bytes(self.folder.success_file, json.dumps(finished, indent=1).encode(), durable=True)
            return self.outcome()
        except sqlite3.Error as error:
            raise DataError(
                f"A folder that can be written is required for --out. Got: {self.folder.path}: {one_line(error)}; the same command goes on "
                "when that is mended."
            ) from None
        finally:
            engine.close()
            names.close()

    def close(self) -> None:
        """Let another process work in the folder."""
        self._contents.close()
        self._lock.close()

    def outcome(self) -> Outcome:
        """Count what there is."""
        statuses: Counter[str] = Counter()
        duplicates = 0
        for path in self.folder.finished_shards():
            table = pq.read_table(path, columns=["status", "duplicate_of"])
            statuses.update(table["status"].to_pylist())
            duplicates += len(table) - table["duplicate_of"].null_count
        return Outcome(
            sum(statuses.values()), dict(statuses.most_common()), duplicates, self.folder.success_file.is_file()
        )

    def _answer(self, engine: Engine, manifest: Manifest, stop: threading.Event) -> None:
        listing = manifest.listing()
        sizes = self._missing(manifest)
        parts = Parts(self.folder.parts, self._schema)
        under_way = parts.read(sizes)
        there = {shard: [row["number"] for row in rows] for shard, rows in under_way.items()}
        before = self._rows_there() + sum(map(len, there.values()))
        progress = Progress(before, listing.inputs if listing else None)
        opened: deque[int] = deque()

        def open_shards() -> Iterator[Shard]:
            for shard in manifest.shards(self._source):
                if stop.is_set():
                    return
                if not self.folder.shard_file(shard.number).is_file():
                    sizes[shard.number] = len(shard)
                    opened.append(shard.number)
                    yield shard.with_numbers(there.get(shard.number, ()), without=True)
            found = manifest.listing()
            progress.total = found.inputs if found else None

        moments = Moments(stop)
        with progress, closing(engine.rows(open_shards())) as rows:  # type: ignore[type-var]
            for row in rows:
                if row is not None:
                    shard = row["number"] // self._size
                    self._keep_picture(shard, row)
                    under_way.setdefault(shard, []).append(row)
                    progress.advance(row.get("status") != ANSWERED and not row.get(KNOWN))
                # In their order, or a duplicate could be settled before the first of its content.
                while opened and len(under_way.get(opened[0], ())) == sizes[opened[0]]:
                    first = opened.popleft()
                    self._write(first, under_way.pop(first))
                    parts.drop(first)
                is_over = moments.is_over(under_way)
                if moments.must_keep() or is_over:
                    parts.keep(under_way)
                if is_over:
                    left = sum(map(len, under_way.values()))
                    if left:
                        logger.info("Kept %s of shards that are not full.", counted(left, "answer"))
                    return

    def _answer_again(self, engine: Engine, retries: Retries, stop: threading.Event) -> None:
        """Replace rows without an answer by those that another try gives, shard after shard."""

        def write(shards: Iterator[tuple[int, list[Row]]]) -> None:
            for shard, tried in shards:
                again = self._duplicates.without_usurpers(tried)
                for other, following in self._duplicates.follow(shard, again).items():
                    write_rows(self.folder.shard_file(other), following, self._schema)
                self._write(shard, retries.merged(shard, again))

        # Duplicates whose first had its answer before a kill.
        write(retries.full())
        if not retries.count:
            return
        retries.announce()
        progress = Progress(0, retries.count)
        patient = engine.patient()
        with progress, closing(patient.rows(retries.shards(stop))) as rows:  # type: ignore[type-var]
            for row in rows:
                if row is not None:
                    self._keep_picture(row["number"] // self._size, row)
                    retries.take(row)
                    progress.advance(row.get("status") in PASSING)
                    write(retries.full())
                if retries.is_hopeless or stop.is_set():
                    break
        write(retries.full())
        write(retries.rest())
        retries.conclude()

    def _missing(self, manifest: Manifest) -> dict[int, int]:
        """Return shard -> inputs, of those that are listed and have no file of rows."""
        numbers = (one for one in range(manifest.parts()) if not self.folder.shard_file(one).is_file())
        return {one: manifest.length(one) for one in numbers}

    def _write(self, shard: int, rows: list[Row]) -> None:
        rows.sort(key=lambda row: row["number"])
        self._duplicates.settle(shard, rows)
        constant = {**self._identity, "shard": shard}
        write_rows(self.folder.shard_file(shard), ({**row, **constant} for row in rows), self._schema)

    def _keep_picture(self, shard: int, row: Row) -> None:
        """Write the picture at once: those of a shard together would fill the memory."""
        picture = row.pop(OVERLAY, None)
        if picture is not None:
            row["cam"] = self.folder.cam_name(shard, row["number"])
            write_bytes(self.folder.path / row["cam"], picture)

    def _rows_there(self) -> int:
        return sum(pq.read_metadata(path).num_rows for path in self.folder.finished_shards())
