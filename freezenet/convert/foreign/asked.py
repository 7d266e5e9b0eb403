"""What a user says about a model of another maker: `--preprocess SPEC` and `--labels`.

SPEC is a list as `size=224x224,mean=127.5,std=127.5,color=rgb,resize=bilinear`, or the path of a TOML or JSON file with the same keys. All
are optional; what is not said is taken from the file's metadata and tensors (`freezenet.convert.foreign.reading`).
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import SettingError, one_line
from freezenet.edge_runtime.images.other.preprocess import COLORS, CROPS, as_numbers
from freezenet.edge_runtime.images.other.resize import METHODS
from freezenet.edge_runtime.names import meant
from freezenet.train.task import TASKS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: What an output can hold: shares of 1, one probability for each class, or numbers that softmax or a sigmoid makes those of.
SCORES = ("probabilities", "logits")
LAYOUTS = ("NHWC", "NCHW")
_FILES = (".toml", ".json")
_LARGEST_FILE = 1 << 20


@dataclass(frozen=True)
class Asked:
    """What is said about a model; None: nothing.

    Args:
        size: Input height and width in pixels.
        mean: One number, or one for each channel in the input's order; an input value is (value - mean) / std, value in 0..255.
        std: See `mean`.
        color: See `freezenet.edge_runtime.images.other.preprocess`, as are resize and crop.
        resize: See there.
        crop: See there.
        layout: One of LAYOUTS: whether the channels come last or first.
        scores: One of SCORES.
        output: Name or number of the output with the scores, of a model with several.
        task: One of freezenet.train.task.TASKS: whether one class is true, or any number of labels.
        thresholds: Of several labels, one probability for all or one for each in their order: from it on a label is answered.
        labels: Names of the scores, in their order.
    """

    size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    color: str | None = None
    resize: str | None = None
    crop: str | float | None = None
    layout: str | None = None
    scores: str | None = None
    output: str | None = None
    task: str | None = None
    thresholds: tuple[float, ...] | None = None
    labels: tuple[str, ...] | None = None

    @classmethod
    def read(cls, spec: str | None = None, labels: str | None = None) -> Asked:
        """Read `--preprocess` and `--labels`; SettingError where a key or a value is not known.

        Args:
            spec: A list of key=value, or the path of a TOML or JSON file.
            labels: Names with commas between them, or the path of a text file with one on each line.
        """
        found = cls.from_dict(_values(spec)) if spec else cls()
        return replace(found, labels=read_labels(labels)) if labels else found

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Asked:
        """Read the keys of a SPEC."""
        known = [one.name for one in fields(cls)]
        for key in values:
            if key not in known:
                raise SettingError(
                    f"Keys of {', '.join(known)} are required in --preprocess. Got: {key!r:.80}.{meant(str(key), known)}"
                )
        made = {}
        for key, value in values.items():
            try:
                made[key] = _READERS[key](value)
            except SettingError:
                raise
            except (TypeError, ValueError, OverflowError):
                raise SettingError(
                    f"{_EXPECTED[key]} is required as {key} in --preprocess. Got: {value!r:.80}."
                ) from None
        return cls(**made)


def read_labels(text: str) -> tuple[str, ...]:
    """Return the names in `--labels`: of a text file, one on each line, or with commas between them."""
    is_file = False
    # A list may be longer than a name can be.
    with suppress(OSError, ValueError):
        is_file = Path(text).is_file()
    if is_file:
        names = [line.strip() for line in _file(Path(text)).splitlines()]
        # A last line that is empty is the end of the file.
        while names and not names[-1]:
            names.pop()
    else:
        names = [name.strip() for name in text.split(",")]
    return checked_labels(names, "--labels")


def checked_labels(names: list[str], where: str) -> tuple[str, ...]:
    """Return the names of the scores; SettingError where one is empty or stands twice."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1 and name)
    if twice or not all(names):
        got = f"{twice[0]!r:.80} more than once" if twice else f"{len(names)} names, one of them empty"
        raise SettingError(f"Labels, each once and none empty, are required by {where}. Got: {got}.")
    return tuple(names)


def spelt_as(labels: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return labels in the spelling of known ones, where these are the same but for capitals, spaces and signs.

    As they are where two of them would become one.
    """
    by_meaning = {_meaning(label): label for label in known}
    found = tuple(by_meaning.get(_meaning(label), label) for label in labels)
    return found if len(set(found)) == len(found) else tuple(labels)


def _meaning(label: str) -> str:
    return re.sub(r"[\W_]", "", label.casefold()) or label


def _values(spec: str) -> dict[str, Any]:
    path = Path(spec)
    if path.suffix.lower() in _FILES and "=" not in spec:
        if not path.is_file():
            raise SettingError(
                f"A TOML or JSON file is required by --preprocess. Got: {spec:.200}, which does not exist."
            )
        return _of_file(path)
    found: dict[str, Any] = {}
    for part in filter(None, (one.strip() for one in spec.split(","))):
        key, equals, value = (one.strip() for one in part.partition("="))
        if not equals or not key or not value or key in found:
            raise SettingError(
                "A list of key=value, each key once, as size=224x224,mean=127.5,std=127.5, or a .toml or .json file is required by "
                f"--preprocess. Got: {part!r:.80}; several numbers of one key are joined by a slash: mean=123.7/116.3/103.5."
            )
        found[key] = value
    return found


def _of_file(path: Path) -> dict[str, Any]:
    text = _file(path)
    try:
        found = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingError(
            f"A file in the format of its suffix is required by --preprocess. Got: {path}: {one_line(error, 100)}."
        ) from None
    if not isinstance(found, dict):
        raise SettingError(f"Keys and values are required in --preprocess. Got: {path} with {type(found).__name__}.")
    return found


def _file(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise SettingError(f"A short text file is required. Got: {path} with more than 1 MB.")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"A text file that can be read is required. Got: {path}: {one_line(error, 100)}.") from None


def _size(value: Any) -> tuple[int, int]:
    if isinstance(value, str):
        value = re.split(r"[x/]", value)
    sides = [value] if isinstance(value, int) else list(value)
    sides = [int(one) for one in sides] if all(not isinstance(one, (float, bool)) for one in sides) else []
    if len(sides) not in (1, 2) or not all(1 <= one <= 4096 for one in sides):
        raise ValueError(value)
    return sides[0], sides[-1]


def _numbers(value: Any) -> tuple[float, ...]:
    values = as_numbers([float(one) for one in value.split("/")] if isinstance(value, str) else value)
    if len(values) not in (1, 3):
        raise ValueError(value)
    return values


def _one_of(*known: str) -> Any:
    by_name = {one.casefold(): one for one in known}

    def read(value: Any) -> str:
        if str(value).casefold() not in by_name:
            raise ValueError(value)
        return by_name[str(value).casefold()]

    return read


def _crop(value: Any) -> str | float:
    try:
        share = float(value)
    except ValueError:
        return str(_one_of(*CROPS)(value))
    if not 0 < share <= 1 or isinstance(value, bool):
        raise ValueError(value)
    return share


def _thresholds(value: Any) -> tuple[float, ...]:
    values = as_numbers([float(one) for one in value.split("/")] if isinstance(value, str) else value)
    if not values or not all(0 <= one <= 1 for one in values) or isinstance(value, bool):
        raise ValueError(value)
    return values


def _output(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(value)
    return str(value)


def _labels(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise ValueError(value)
    return checked_labels([str(one).strip() for one in value], "--preprocess")


_READERS: dict[str, Any] = {
    "size": _size, "mean": _numbers, "std": _numbers, "color": _one_of(*COLORS), "resize": _one_of(*METHODS), "crop": _crop,
    "layout": _one_of(*LAYOUTS), "scores": _one_of(*SCORES), "output": _output, "labels": _labels, "task": _one_of(*TASKS),
    "thresholds": _thresholds,
}  # fmt: skip
_EXPECTED = {
    "size": "HEIGHTxWIDTH in pixels, as 224x224,",
    "mean": "One number or three, as 127.5 or 123.7/116.3/103.5,",
    "std": "One number or three, as 127.5 or 58.4/57.1/57.4,",
    "color": f"One of {', '.join(COLORS)}",
    "resize": f"One of {', '.join(METHODS)}",
    "crop": f"One of {', '.join(CROPS)}, or a share such as 0.875,",
    "layout": f"One of {', '.join(LAYOUTS)}",
    "scores": f"One of {', '.join(SCORES)}",
    "output": "The name or the number of an output",
    "labels": "A list of names, in a file,",
    "task": f"One of {', '.join(TASKS)}",
    "thresholds": "One number from 0 to 1, or one for each label, as 0.5 or 0.3/0.5/0.4,",
}
