"""The output of the frozen backbone for every image, computed once and kept on disk.

One folder per key; the key is the hash of the backbone's weights and architecture, the preprocessing, the number type and
the content of the images, so nothing stale can be found under it:

    features.npy     (n, h, w, c) memory-mapped, float16 or float32
    chunks.jsonl     one line per finished chunk: {"start", "stop", "crc32"}

A chunk without a line was never finished (the process was killed), a chunk whose checksum differs was damaged on
disk; both are computed again, and only they.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from freezenet.edge_runtime.files import remove_partial
from freezenet.train.data.dataset import content_hash
from freezenet.train.data.images import Images
from freezenet.train.files import write_atomically
from freezenet.train.frozen.backbone import FrozenBackbone, choose_engine
from freezenet.train.progress import track
from freezenet.train.recipes.recipe import Recipe

#: Images per chunk; a killed process loses at most this many.
CHUNK = 256


@dataclass(frozen=True)
class Features:
    """What the frozen backbone gives for all images.

    Args:
        values: (n, h, w, c) float16 or float32, row = image.
        engine: what computed them, or "disk" where all were found.
    """

    values: NDArray
    engine: str


def default_cache_folder() -> Path:
    """Return the user's cache folder for freezenet; FREEZENET_CACHE overrides it."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("FREEZENET_CACHE") or user_cache_path("freezenet"))


def cached_features(
    frozen: keras.Model,
    images: Images,
    *,
    recipe: Recipe,
    folder: Path,
    has_gpu: bool = False,
    engine: str | None = None,
    backbone: FrozenBackbone | None = None,
) -> Features:
    """Return the frozen backbone's output of all images, computing only what the cache does not hold.

    Args:
        frozen: the network below the cut.
        images: all images of the data.
        recipe: its key `cache` gives the number type.
        folder: of the cache.
        has_gpu: whether there is one, for the choice of the engine.
        engine: "keras" or "xnnpack"; None lets `freezenet.train.frozen.backbone.choose_engine` decide.
        backbone: one that other images share, see `frozen_backbone`.
    """
    home = folder / cache_key(frozen, images, recipe)
    home.mkdir(parents=True, exist_ok=True)
    shape = (len(images.pixels), *frozen.output_shape[1:])
    with FileLock(home / "lock"):  # two processes would compute it twice, and one might replace the file of the other
        values = _open(home / "features.npy", shape, np.dtype(recipe.cache))
        missing = _missing_chunks(values, home / "chunks.jsonl")
        if not missing:
            return Features(values, "disk")
        backbone = backbone or frozen_backbone(frozen, recipe, len(images.pixels), has_gpu=has_gpu, engine=engine)
        with (home / "chunks.jsonl").open("a", encoding="utf-8") as journal:
            journal.write("\n")  # a killed process may have left half a line
            for start, stop in track(missing, "Computing the frozen backbone", len(missing)):
                values[start:stop] = backbone(images.pixels[start:stop])
                values.flush()  # the line that says "finished" must not reach the disk before the chunk
                line = {"start": start, "stop": stop, "crc32": _crc32(values[start:stop])}
                journal.write(json.dumps(line) + "\n")
                journal.flush()
    return Features(values, backbone.engine)


def frozen_backbone(
    frozen: keras.Model, recipe: Recipe, images: int, *, has_gpu: bool = False, engine: str | None = None
) -> FrozenBackbone:
    """Return what computes the frozen backbone of this many images.

    All images are counted, those on disk too: a resumed run would otherwise take another engine for the rest than an unbroken
    one, and the engines differ in the last bits.
    """
    engine = engine or choose_engine(images, has_gpu)
    return FrozenBackbone(frozen, recipe.preprocess, engine=engine, threads=os.cpu_count() or 1)


def cache_key(frozen: keras.Model, images: Images, recipe: Recipe) -> str:
    """Return the hexadecimal key of a cache folder."""
    digest = hashlib.sha256()
    for layer in frozen.layers:
        digest.update(f"{layer.__class__.__name__} {layer.output.shape} {layer.compute_dtype}".encode())
        for weight in layer.get_weights():
            digest.update(np.ascontiguousarray(weight).tobytes())
    digest.update(json.dumps([recipe.preprocess.to_dict(), recipe.cache, content_hash(images.hashes)]).encode())
    return digest.hexdigest()[:32]


def _open(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.memmap:
    """Open the array, or make an empty one where there is none of this shape."""
    try:
        found = np.lib.format.open_memmap(path, mode="r+")
        if found.shape == shape and found.dtype == dtype:
            return found
    except (OSError, ValueError):
        pass
    # Writing to a sparse file on a full disk is a bus error and no exception, so the room is taken beforehand.
    remove_partial(path.parent)  # as large as the array, where a process was killed meanwhile
    write_atomically(path, lambda temporary: _allocate(temporary, shape, dtype))
    return np.lib.format.open_memmap(path, mode="r+")


def _allocate(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        )
        left = math.prod(shape) * dtype.itemsize
        while left:
            left -= file.write(bytes(min(left, 1 << 20)))


def _missing_chunks(values: NDArray, journal: Path) -> list[tuple[int, int]]:
    """Return (start, stop) of the chunks that are not on disk, or not as they were written."""
    recorded = {}
    if journal.is_file():
        for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                recorded[entry["start"], entry["stop"]] = entry["crc32"]  # the last line about a chunk counts
            except (ValueError, KeyError, TypeError):
                continue  # half a line: the process died while it was written
    chunks = [(start, min(start + CHUNK, len(values))) for start in range(0, len(values), CHUNK)]
    return [chunk for chunk in chunks if recorded.get(chunk) != _crc32(values[slice(*chunk)])]


def _crc32(values: NDArray) -> int:
    return zlib.crc32(np.ascontiguousarray(values).tobytes())
