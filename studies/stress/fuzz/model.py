"""The part of a model file that this project's own code reads: the head, and the archive with the card.

What lies between them, the flatbuffer, is read by the interpreter, which does not check it (a changed one can end the
process): whole files, damaged there too, are what `studies.stress.mutations` gives to the command.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.card import CARD_FILE

#: Where a head of 8 bytes would point; no interpreter ever sees it.
_HEAD = b"\x20\0\0\0TFL3" + bytes(24)
_JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1e308,
    10**30,
    "",
    "x" * 1000,
    [],
    {},
    [[]],
    {"": None},
    "\x00\n",
    [1, 2, 3],
)


def small_model(model: Path) -> bytes:
    """Return a head and the archive of a model file."""
    with zipfile.ZipFile(model) as archive:
        return _built({name: archive.read(name) for name in archive.namelist()})


def with_changed_card(data: bytes, rng: random.Random) -> bytes:
    """Return the file with one to three values of its card replaced, in an archive with right checksums."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    card = json.loads(files[CARD_FILE])
    for _ in range(rng.randint(1, 3)):
        holder = rng.choice([one for one in _holders(card) if one])
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if rng.random() < 0.3:
            del holder[key]
        else:
            holder[key] = rng.choice(_JUNK)
    files[CARD_FILE] = json.dumps(card).encode()
    return _built(files)


def _holders(content: Any) -> list[Any]:
    """Return every object and array in a JSON value; `content` itself comes first, so there is always one to change."""
    if not isinstance(content, dict | list):
        return []
    inner = content.values() if isinstance(content, dict) else content
    return [content, *(holder for one in inner for holder in _holders(one))]


def _built(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO(_HEAD)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            # A fixed date: the same model gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()
