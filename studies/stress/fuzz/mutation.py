"""Seeded damage to files: from the same corpus, input `number` of a seed is the same bytes on every machine.

Why not a library: the mutator of `atheris` (libFuzzer's) works only inside its own loop, so that an input cannot be
made again from a number, and its guidance by coverage does not see into the codecs, which are C libraries compiled
without it; `hypothesis` draws bytes slowly and knows no formats.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from studies.stress.fuzz import png
from studies.stress.fuzz.fields import Field, fields
from studies.stress.fuzz.model import with_changed_card

#: Share of the inputs whose chunks, card or compressed rows are changed from the inside, with right checksums.
_INSIDE = 0.3
#: Sizes around this project's bounds, powers of two and their neighbours.
_SIZES = (0, 1, 2, 3, 31, 32, 33, 255, 256, 1000, 9_999, 10_000, 32_767, 32_768, 65_535, 65_536, 1 << 20, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)  # fmt: skip

Change = Callable[[bytearray, random.Random, Sequence[bytes]], bytearray]


class Input(NamedTuple):
    """A damaged file: the format and the name of the whole one, and its bytes."""

    kind: str
    name: str
    data: bytes


def mutated(files: Mapping[str, bytes], seed: int, number: int) -> Input:
    """Return input `number` of `seed`; formats take turns, files of a format are drawn."""
    rng = random.Random(f"{seed}/{number}")
    kinds = sorted({name.partition("/")[0] for name in files})
    kind = kinds[number % len(kinds)]
    name = rng.choice([one for one in files if one.startswith(f"{kind}/")])
    inside = rng.random() < _INSIDE
    data = bytearray(_changed_inside(kind, files[name], rng) if inside else files[name])
    others = list(files.values())
    for _ in range(rng.choice((0, 0, 1) if inside else (1, 1, 1, 2, 2, 3))):
        data = rng.choices(CHANGES, _WEIGHTS)[0](data, rng, others)
    if kind == "png" and rng.random() < 0.8 and data.startswith(png.SIGNATURE):
        data = bytearray(png.joined(png.split(bytes(data))))  # else every change ends at a checksum
    return Input(kind, name, bytes(data))


def _changed_inside(kind: str, data: bytes, rng: random.Random) -> bytes:
    """Damage what is compressed or has a checksum, and wrap it again."""
    if kind == "tflite":
        return with_changed_card(data, rng)
    if kind == "png":
        return _png_changed_inside(data, rng)
    return bytes(_flipped(bytearray(data), rng, ()))


def _png_changed_inside(data: bytes, rng: random.Random) -> bytes:
    chunks = png.split(data)
    at = rng.randrange(len(chunks))
    kind, content = chunks[at]
    if kind == b"IDAT":
        content = zlib.compress(bytes(_flipped(bytearray(zlib.decompress(content)), rng, ())))
    if rng.random() < 0.3:
        chunks.insert(rng.randrange(len(chunks)), chunks[at])
    chunks[at] = (kind, content)
    return png.joined(chunks)


def _set_field(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> bytearray:
    found = fields(bytes(data))
    if not found:
        return _flipped(data, rng, others)
    for field in rng.sample(found, min(rng.randint(1, 3), len(found))):
        _write(data, field, _tempting(int.from_bytes(data[field.at : field.at + field.size], field.order), rng))
    return data


def _tempting(old: int, rng: random.Random) -> int:
    """Return a number near the old one, one at a bound, or any."""
    near = (old + 1, old - 1, old * 2, old // 2, old * 100, -old, old ^ 1 << rng.randrange(32))
    return rng.choice((rng.choice(near), rng.choice(_SIZES), rng.getrandbits(32)))


def _write(data: bytearray, field: Field, value: int) -> None:
    data[field.at : field.at + field.size] = (value % (1 << 8 * field.size)).to_bytes(field.size, field.order)


def _flipped(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> bytearray:
    """Change up to eight bytes, half of the time near the start."""
    reach = min(len(data), 256) if rng.random() < 0.5 else len(data)
    for _ in range(rng.randint(1, 8) if reach else 0):
        at = rng.randrange(reach)
        data[at] = rng.choice((data[at] ^ 1 << rng.randrange(8), rng.randrange(256), 0, 255))
    return data


def _truncated(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> bytearray:
    return data[: rng.randint(0, len(data))]


def _spliced(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> bytearray:
    other = rng.choice(others)
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def _inserted(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> bytearray:
    at, length = rng.randint(0, len(data)), rng.choice((1, 2, 4, 16, 512, 65_536))
    return data[:at] + rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length))) + data[at:]


def _repeated(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> bytearray:
    start, end = sorted(rng.randint(0, len(data)) for _ in range(2))
    return data[:end] + data[start:end] * min(rng.choice((1, 2, 50)), 1 + 500_000 // (end - start + 1)) + data[end:]


def _cut_out(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> bytearray:
    start, end = sorted(rng.randint(0, len(data)) for _ in range(2))
    return data[:start] + data[end:]


_WEIGHTED: dict[Change, int] = {
    _set_field: 8,
    _flipped: 4,
    _truncated: 1,
    _spliced: 1,
    _inserted: 1,
    _repeated: 1,
    _cut_out: 1,
}
CHANGES, _WEIGHTS = list(_WEIGHTED), list(_WEIGHTED.values())
