"""Seeded damage to a model file: from the same file, number N of a seed is the same bytes on every machine."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

from freezenet.edge_runtime.card import CARD_FILE

#: What takes a value's place: wrong types, no numbers, huge ones, and what is deeper or longer than anything real.
_JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 0.5, 1e308, -1e308, 10**30, float("nan"), float("inf"), "", "0", "x" * 100_000, "\x00\n\x1b[31m", [], {}, [[]],
    {"": None}, [1, 2, 3], [None] * 5, list(range(10_000)),
)  # fmt: skip
#: Nesting that a reader by recursion cannot follow.
_DEPTH = 100_000
#: What a bomb unpacks to, in bytes; packed it has a thousandth of that.
_BOMB = 256 << 20


def mutated(model: bytes, seed: int, number: int) -> tuple[str, bytes]:
    """Return the kind of damage and the damaged file, never the file itself; the kinds take turns."""
    rng = random.Random(f"{seed}/{number}")
    kind = list(DAMAGES)[number % len(DAMAGES)]
    while (data := DAMAGES[kind](model, rng)) == model:
        pass
    return kind, data


def _bits(model: bytes, rng: random.Random) -> bytes:
    data = bytearray(model)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        data[_place(len(data), rng)] ^= 1 << rng.randrange(8)
    return bytes(data)


def _zeroed(model: bytes, rng: random.Random) -> bytes:
    at, length = _place(len(model), rng), rng.choice((4, 64, 512, 4096, 100_000))
    return model[:at] + bytes(len(model[at : at + length])) + model[at + length :]


def _truncated(model: bytes, rng: random.Random) -> bytes:
    return model[: _place(len(model), rng)]


def _swapped(model: bytes, rng: random.Random) -> bytes:
    size = rng.choice((4, 512, 4096))
    first, second = sorted(rng.sample(range(len(model) // size), 2))
    blocks = [model[at * size : (at + 1) * size] for at in (first, second)]
    middle = model[(first + 1) * size : second * size]
    return model[: first * size] + blocks[1] + middle + blocks[0] + model[(second + 1) * size :]


def _inserted(model: bytes, rng: random.Random) -> bytes:
    at, length = _place(len(model), rng), rng.choice((1, 4, 512, 65_536))
    return model[:at] + rng.choice((bytes(length), rng.randbytes(length))) + model[at:]


def _card(model: bytes, rng: random.Random) -> bytes:
    """Replace or remove one to three values of the card, in an archive with right checksums."""
    return _with_card(model, lambda card: _changed(card, rng))


def _earlier(model: bytes, rng: random.Random) -> bytes:
    """Damage the network of a file whose card holds no digest of it, as those of an earlier version."""
    start = _archive_start(model)
    network = rng.choice((_bits, _bits, _zeroed, _swapped, _words))(model[:start], rng)
    return _with_card(network + model[start:], lambda card: card.pop("network", None))


def _words(network: bytes, rng: random.Random) -> bytes:
    """Change 32-bit numbers near the beginning or the end, where the tables of a flatbuffer lie."""
    data = bytearray(network)
    for _ in range(rng.choice((1, 2, 4))):
        at = 4 * (_place(len(data), rng) // 4)
        data[at : at + 4] = rng.choice((0, 1, -1, 2**31 - 1, -(2**31), rng.getrandbits(31))).to_bytes(
            4, "little", signed=True
        )
    return bytes(data[: len(network)])


def _text(model: bytes, rng: random.Random) -> bytes:
    """Put another text, or another file, in the place of the card."""
    nested = ("[" * _DEPTH + "]" * _DEPTH, '{"a":' * _DEPTH + "1" + "}" * _DEPTH)
    texts = (b"", b"{", b"\xff\xfe", b"null", b"[]", b'"card"', *(one.encode() for one in nested))
    if rng.random() < 0.2:
        return _with_files(model, {CARD_FILE: bytes(_BOMB)}, zipfile.ZIP_DEFLATED)
    if rng.random() < 0.2:
        return _with_files(model, {}, rng.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED)))
    return _with_files(model, {CARD_FILE: rng.choice(texts) + b" " * rng.randrange(9)}, zipfile.ZIP_STORED)


EARLIER = "network, no digest"
#: Kind of damage -> function (whole file, rng) -> damaged file.
DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bits flipped": _bits,
    "run zeroed": _zeroed,
    "truncated": _truncated,
    "blocks swapped": _swapped,
    "bytes inserted": _inserted,
    "card values": _card,
    "card replaced": _text,
    EARLIER: _earlier,
}


def _place(length: int, rng: random.Random) -> int:
    """Return a position: anywhere, or within the 4 kB or 40 kB of either end, where tables and archive lie."""
    reach = min(rng.choice((4096, 40_000, length)), length)
    at = rng.randrange(reach)
    return at if rng.random() < 0.5 else length - 1 - at


def _changed(card: dict[str, Any], rng: random.Random) -> None:
    for _ in range(rng.randint(1, 3)):
        holder = rng.choice([one for one in _holders(card) if one])
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        change = rng.random()
        if change < 0.3:
            del holder[key]
        elif change < 0.4 and isinstance(holder[key], int | float):
            holder[key] = holder[key] * rng.choice((-1, 0, 1.01, 1e9))
        elif change < 0.5 and isinstance(holder, list):
            holder.extend(holder[:1] * rng.choice((1, 100)))
        else:
            holder[key] = rng.choice(_JUNK)


def _holders(content: Any) -> list[Any]:
    """Return every object and array in a JSON value; `content` itself comes first, so there is always one to change."""
    if not isinstance(content, dict | list):
        return []
    inner = content.values() if isinstance(content, dict) else content
    return [content, *(holder for one in inner for holder in _holders(one))]


def _archive_start(model: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        return min(one.header_offset for one in archive.infolist())


def _with_card(model: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        card = json.loads(archive.read(CARD_FILE))
    change(card)
    return _with_files(model, {CARD_FILE: json.dumps(card).encode()}, zipfile.ZIP_STORED)


def _with_files(model: bytes, changed: dict[str, bytes], compression: int) -> bytes:
    """Return the network with a new archive of the old files behind it, some of them changed."""
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    stream = io.BytesIO()
    stream.write(model[: _archive_start(model)])
    with zipfile.ZipFile(stream, "a", compression) as archive:
        for name, content in {**files, **changed}.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return stream.getvalue()
