"""The folder that a screening writes, and its file names.

rows/shard-00000.parquet  the rows           manifest/part-00000.parquet  every input, once
job.json, card.json       what was asked     listing.json                 what was found, once all is listed
summary/                  by --summary       cam/00000/00000000.png       pictures
_SUCCESS                  all rows are there .state/                      indexes, lock, parts: not needed for what is whole
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from freezenet.edge_runtime.errors import DataError, SettingError
from freezenet.edge_runtime.files import remove_partial, write_bytes

#: Version of the layout of the folder.
FOLDER_VERSION = 2


class ScreenFolder:
    """OUT.

    Args:
        path: Of the folder.
    """

    def __init__(self, path: Path) -> None:
        """Nothing is made yet."""
        self.path = path
        self.rows, self.manifest, self.summary = path / "rows", path / "manifest", path / "summary"
        self.job_file, self.card_file, self.success_file = path / "job.json", path / "card.json", path / "_SUCCESS"
        self._state = path / ".state"
        self.names_index, self.contents_index = self._state / "names.sqlite", self._state / "contents.sqlite"
        self.parts = self._state / "parts"

    def shard_file(self, number: int) -> Path:
        """Return the file of a shard's rows."""
        return self.rows / f"shard-{number:05d}.parquet"

    def shard_number(self, file: Path) -> int:
        """Return the shard of a file of rows."""
        return int(file.stem.rpartition("-")[2])

    def cam_name(self, shard: int, number: int) -> str:
        """Return where the picture of an input lies, below OUT; not its own name, which may hold a patient's."""
        return f"cam/{shard:05d}/{number:08d}.png"

    def begin(self, job: dict[str, Any], card: bytes) -> None:
        """Make the folder for a job, or see that it is the one that it was made for.

        Args:
            job: What must be equal to go on (JSON types).
            card: The model's card, for the summary.

        Raises:
            SettingError: It holds another job, or files of something else.
        """
        if self.job_file.is_file():
            self._check(job)
        elif self.path.is_dir() and any(not one.name.startswith(".") for one in self.path.iterdir()):
            raise SettingError(
                f"An empty folder, or that of the same screening, is required for --out. Got: {self.path} with other files."
            )
        # First of all, or a folder that a kill left half-made would be a strange one.
        write_bytes(self.job_file, json.dumps(job, indent=1).encode(), durable=True)
        for one in (self.rows, self.parts):
            one.mkdir(parents=True, exist_ok=True)
        for one in (self.path, self.rows, self.manifest, self.parts):
            remove_partial(one)
        write_bytes(self.card_file, card)

    def lock(self) -> IO[bytes]:
        """Keep every other process out until what is returned is closed.

        Raises:
            SettingError: Another one is at work here.
        """
        import fcntl

        self._state.mkdir(parents=True, exist_ok=True)
        handle = (self._state / "lock").open("wb")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            raise SettingError(f"A folder that no other process screens into is required. Got: {self.path}.") from None
        return handle

    def job(self) -> dict[str, Any]:
        """Return what was asked.

        Raises:
            DataError: This is not the folder of a screening, or that of another version.
        """
        try:
            job: dict[str, Any] = json.loads(self.job_file.read_bytes())
            version = job["version"]
        except (OSError, ValueError, KeyError, TypeError):
            raise DataError(f"A folder that `freezenet screen` wrote is required. Got: {self.path}.") from None
        if version != FOLDER_VERSION:
            is_older = isinstance(version, int) and version < FOLDER_VERSION
            remedy = "screen into a new folder" if is_older else "update freezenet"
            raise DataError(f"A folder of version {FOLDER_VERSION} is required. Got: {version!r:.40}; {remedy}.")
        return job

    def finished_shards(self) -> list[Path]:
        """Return the files of rows that are there, in their order."""
        return sorted(self.rows.glob("shard-*.parquet"))

    def _check(self, job: dict[str, Any]) -> None:
        found = self.job()
        other = [key for key in {**found, **job} if found.get(key) != job.get(key)]
        if other:
            names = {"model_sha256": "model", "card_sha256": "model", "input": "IN"}
            differing = list(dict.fromkeys(names.get(key, key) for key in other))
            raise SettingError(
                f"The same model, IN and settings are required to go on with a screening. Got: {self.path}, begun with other "
                f"{', other '.join(differing)}; choose another --out."
            )
