from __future__ import annotations

import numpy as np

from freezenet.convert.scores import StoredScores

STORED = StoredScores(np.array([[0.25, 0.75], [0.5, 0.5]], np.float32), ("aa", "bb"), "cc", "ai-edge-litert 2.3.0")


def test_what_is_written_is_read(tmp_path):
    STORED.write(tmp_path / "scores" / "int8.npz")
    found = StoredScores.read(tmp_path / "scores" / "int8.npz")
    np.testing.assert_array_equal(found.scores, STORED.scores)
    assert (found.models, found.splits, found.runtime) == (STORED.models, STORED.splits, STORED.runtime)
    assert [path.name for path in (tmp_path / "scores").iterdir()] == ["int8.npz"]


def test_they_hold_for_the_same_file_images_and_runtime():
    assert STORED.hold_for("aa", "cc", "ai-edge-litert 2.3.0") and STORED.hold_for("bb", "cc", "ai-edge-litert 2.3.0")
    assert not STORED.hold_for("cc", "cc", "ai-edge-litert 2.3.0")
    assert not STORED.hold_for("aa", "dd", "ai-edge-litert 2.3.0")
    assert not STORED.hold_for("aa", "cc", "tflite-runtime 2.14.0")


def test_a_damaged_file_counts_as_none(tmp_path):
    assert StoredScores.read(tmp_path / "none.npz") is None
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 not much of an archive")
    assert StoredScores.read(tmp_path / "bad.npz") is None
    np.savez(tmp_path / "other.npz", other=np.zeros(2))
    assert StoredScores.read(tmp_path / "other.npz") is None
