"""What a run of the pipeline left on disk, and the facts that are read from it.

A fact is a number or a word that stands in a file; nothing is phrased here.
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import DataError
from freezenet.train.files import read_json
from freezenet.train.metrics.figure import Figure

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: What a pipeline leaves beside its RUN folder.
RESULTS, CONVERSION = "results.json", "models/conversion.json"


@dataclass(frozen=True)
class Fact:
    """One thing that is known.

    Args:
        what: its name.
        value: as it is shown.
        file: where it stands, relative to the folder that was asked about.
        where: the key in that file, with dots; for a table the columns that were counted.
    """

    what: str
    value: str
    file: str
    where: str

    def to_dict(self) -> dict[str, str]:
        """Return the four texts by name."""
        return asdict(self)


@dataclass
class Evidence:
    """The files of a RUN folder, or of a pipeline's folder around it.

    Args:
        folder: what was asked about.
        run: prefix of the RUN folder's files: "run/", or "" where `folder` is it.
    """

    folder: Path
    run: str
    _read: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Evidence:
        """Return the evidence of a folder; DataError where it holds no finished run."""
        for prefix in ("run/", ""):
            if (folder / prefix / "metrics.json").is_file():
                return cls(folder, prefix)
        raise DataError(f"A RUN folder or that of a pipeline is required. Got: {folder} without metrics.json.")

    @property
    def adopted(self) -> bool:
        """Whether the network came from another maker: then the recipe's keys of the training are defaults that nobody followed."""
        return self.value(f"{self.run}run.json", "adopted") is not None

    def content(self, file: str) -> Any:
        """Return what a file holds: of JSON and TOML the object, of CSV the rows; None where there is no such file."""
        if file not in self._read:
            self._read[file] = self._load(self.folder / file)
        return self._read[file]

    def _load(self, path: Path) -> Any:
        if not path.is_file():
            return None
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                return list(csv.DictReader(file))
        if path.suffix == ".toml":
            try:
                return tomllib.loads(path.read_text(encoding="utf-8"))
            except tomllib.TOMLDecodeError:
                raise DataError(f"A recipe in TOML is required. Got: {path}, which is damaged.") from None
        return read_json(path)

    def value(self, file: str, key: str) -> Any:
        """Return what stands under a key with dots; None where it is not there."""
        found = self.content(file)
        for part in key.split("."):
            if not isinstance(found, dict) or part not in found:
                return None
            found = found[part]
        return found

    def facts(self, file: str, **keys: str) -> list[Fact]:
        """Return a fact for each name=key that the file has; an underscore in the name is a blank."""
        found = ((name.replace("_", " "), key, self.value(file, key)) for name, key in keys.items())
        return [Fact(name, shown(value), file, key) for name, key, value in found if value is not None]

    def rows(self, file: str) -> list[dict[str, str]]:
        """Return the rows of a table, none where there is no such file."""
        return self.content(f"{self.run}{file}") or []


def shown(value: Any) -> str:
    """Return a value as text: a figure with its interval, a table as key value pairs, all else as JSON writes it."""
    if isinstance(value, dict) and {"value", "low", "high"} <= value.keys():
        return f"{Figure(value['value'], value['low'], value['high']):.4f}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(shown, value)) or "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)
