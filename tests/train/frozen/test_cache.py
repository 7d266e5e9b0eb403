"""The cache of the frozen half: found again, healed where damaged, never taken for another one's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import freezenet.train.frozen.cache as cache
from freezenet.train.data.images import Images
from freezenet.train.frozen.backbone import FrozenBackbone
from freezenet.train.recipes.recipe import Recipe

RECIPE = Recipe(image_size=32, cache="float32")


def prefix(offset: float = 0.0) -> keras.Model:
    """Return a small frozen network with given weights, the same in every process."""
    first = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 3, strides=4, name="conv")(first)
    model = keras.Model(first, layers.ReLU(6.0)(layers.BatchNormalization(name="bn")(x)))
    model.trainable = False
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, weight.shape) + offset for weight in model.get_weights()])
    return model


def images(count: int = 20) -> Images:
    pixels = np.random.default_rng(1).integers(0, 256, (count, 32, 32), np.uint8)
    return Images(pixels, tuple(f"{n:064x}" for n in range(count)))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(cache, "CHUNK", 8)


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    """The sizes of the chunks that are computed."""
    sizes: list[int] = []
    original = FrozenBackbone.__call__

    def call(self, pixels):
        sizes.append(len(pixels))
        return original(self, pixels)

    monkeypatch.setattr(FrozenBackbone, "__call__", call)
    return sizes


def expected(model: keras.Model) -> np.ndarray:
    x = np.repeat((images().pixels.astype(np.float32)[..., None] - 128) / 127.5, 3, -1)
    return np.asarray(model(x))


def home(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def test_the_second_call_reads_from_disk(tmp_path, computed):
    model = prefix()
    first = cache.cached_features(model, images(), recipe=RECIPE, folder=tmp_path)
    assert first.engine == "keras"
    assert computed == [8, 8, 4]
    np.testing.assert_allclose(first.values, expected(model), atol=1e-5)
    second = cache.cached_features(model, images(), recipe=RECIPE, folder=tmp_path)
    assert second.engine == "disk"
    assert computed == [8, 8, 4]
    np.testing.assert_array_equal(first.values, second.values)
    assert {path.name for path in home(tmp_path).iterdir()} == {"features.npy", "chunks.jsonl", "lock"}


def test_two_at_a_time_compute_it_once(tmp_path, computed):
    model = prefix()
    with ThreadPoolExecutor(2) as pool:
        found = list(
            pool.map(lambda _: cache.cached_features(model, images(), recipe=RECIPE, folder=tmp_path), range(2))
        )
    assert computed == [8, 8, 4]
    assert sorted(one.engine for one in found) == ["disk", "keras"]
    for one in found:
        np.testing.assert_allclose(one.values, expected(model), atol=1e-5)


def test_flipped_bits_are_computed_again_and_nothing_else(tmp_path, computed):
    before = np.array(cache.cached_features(prefix(), images(), recipe=RECIPE, folder=tmp_path).values)
    path = home(tmp_path) / "features.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 0x40  # in the last chunk
    path.write_bytes(data)
    computed.clear()
    again = cache.cached_features(prefix(), images(), recipe=RECIPE, folder=tmp_path)
    assert computed == [4]
    np.testing.assert_array_equal(again.values, before)
    assert cache.cached_features(prefix(), images(), recipe=RECIPE, folder=tmp_path).engine == "disk"


@pytest.mark.parametrize("keep", [0, 5, 130, 1000])
def test_a_truncated_file_is_made_anew(tmp_path, computed, keep):
    before = np.array(cache.cached_features(prefix(), images(), recipe=RECIPE, folder=tmp_path).values)
    path = home(tmp_path) / "features.npy"
    path.write_bytes(path.read_bytes()[:keep])
    computed.clear()
    again = cache.cached_features(prefix(), images(), recipe=RECIPE, folder=tmp_path)
    assert computed == [8, 8, 4]
    np.testing.assert_array_equal(again.values, before)
    assert cache.cached_features(prefix(), images(), recipe=RECIPE, folder=tmp_path).engine == "disk"


@pytest.mark.parametrize("damage", [b'{"start": 8, "st', b'{"start": 8}\n[1]\n7\n"x"\n', b"\xff\xfe\x00\n"])
def test_a_damaged_journal_costs_its_chunk_once(tmp_path, computed, damage):
    before = np.array(cache.cached_features(prefix(), images(), recipe=RECIPE, folder=tmp_path).values)
    journal = home(tmp_path) / "chunks.jsonl"
    lines = [line for line in journal.read_bytes().splitlines(keepends=True) if line.strip()]
    journal.write_bytes(lines[0] + damage)
    computed.clear()
    np.testing.assert_array_equal(
        cache.cached_features(prefix(), images(), recipe=RECIPE, folder=tmp_path).values, before
    )
    assert computed == [8, 4]
    assert cache.cached_features(prefix(), images(), recipe=RECIPE, folder=tmp_path).engine == "disk"


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_cache as this
from freezenet.train.frozen.backbone import FrozenBackbone
this.cache.CHUNK = 8
original, calls = FrozenBackbone.__call__, []
def call(self, pixels):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, pixels)
FrozenBackbone.__call__ = call
this.cache.cached_features(this.prefix(), this.images(), recipe=this.RECIPE, folder=Path({folder!r}))
"""


def test_a_killed_process_loses_only_its_chunk(tmp_path, computed):
    code = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == -signal.SIGKILL, done.stderr
    found = cache.cached_features(prefix(), images(), recipe=RECIPE, folder=tmp_path)
    assert computed == [4]
    np.testing.assert_allclose(found.values, expected(prefix()), atol=1e-5)


def test_keys_differ_by_all_that_matters():
    model, some = prefix(), images()
    one_bit = prefix()
    kernel, *others = one_bit.get_layer("conv").get_weights()
    kernel[0, 0, 0, 0] = np.nextafter(kernel[0, 0, 0, 0], np.float32(2))
    one_bit.get_layer("conv").set_weights([kernel, *others])
    keys = [
        cache.cache_key(model, some, RECIPE),
        cache.cache_key(one_bit, some, RECIPE),
        cache.cache_key(model, some, replace(RECIPE, mean=0.0)),
        cache.cache_key(model, some, replace(RECIPE, std=255.0)),
        cache.cache_key(model, some, replace(RECIPE, cache="float16")),
        cache.cache_key(model, replace(some, hashes=some.hashes[::-1]), RECIPE),
        cache.cache_key(model, images(19), RECIPE),
    ]
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        keys.append(cache.cache_key(prefix(), some, RECIPE))
    finally:
        keras.config.set_dtype_policy(policy)
    assert len(set(keys)) == len(keys)
    assert cache.cache_key(prefix(), some, RECIPE) == keys[0]
    assert cache.cache_key(prefix(), some, replace(RECIPE, learning_rate=1.0, seed=9)) == keys[0]


def test_other_weights_are_never_found(tmp_path):
    cache.cached_features(prefix(), images(), recipe=RECIPE, folder=tmp_path)
    other = cache.cached_features(prefix(0.1), images(), recipe=RECIPE, folder=tmp_path)
    assert other.engine == "keras"
    np.testing.assert_allclose(other.values, expected(prefix(0.1)), atol=1e-5)


def test_float16_rounds_to_eleven_bits(tmp_path):
    full, half = (cache.cached_features(prefix(), images(), recipe=replace(RECIPE, cache=dtype), folder=tmp_path).values
                  for dtype in ("float32", "float16"))  # fmt: skip
    assert half.dtype == np.float16
    assert full.dtype == np.float32
    np.testing.assert_allclose(half, full, rtol=2**-11, atol=2**-24)


def test_xnnpack_equals_keras(tmp_path):
    theirs = cache.cached_features(prefix(), images(), recipe=RECIPE, folder=tmp_path / "a", engine="keras")
    ours = cache.cached_features(prefix(), images(), recipe=RECIPE, folder=tmp_path / "b", engine="xnnpack")
    assert (theirs.engine, ours.engine) == ("keras", "xnnpack")
    assert np.abs(theirs.values - ours.values).max() < 1e-4


NO_ROOM = """
import os, resource, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_cache as this
model = this.prefix()
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    this.cache.cached_features(model, this.images(), recipe=this.RECIPE, folder=Path({folder!r}))
except OSError as error:
    print("one OSError", [path.name for path in Path({folder!r}).rglob("*") if path.is_file()])
"""


def test_no_room_is_one_os_error_and_no_bus_error(tmp_path):
    code = NO_ROOM.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stdout) == (0, "one OSError ['lock']\n"), done.stderr


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("FREEZENET_CACHE", str(tmp_path))
    assert cache.default_cache_folder() == tmp_path
    monkeypatch.delenv("FREEZENET_CACHE")
    assert cache.default_cache_folder().name == "freezenet"
