"""A MODELS folder."""

from __future__ import annotations

from freezenet.convert.folder import ModelsFolder


def test_what_a_killed_conversion_had_half_written_is_cleared_away(half_written, tmp_path):
    folder = ModelsFolder(tmp_path)
    folder.scores("int8").parent.mkdir()
    kept = [folder.model("int8"), folder.scores("int8")]
    left = [half_written(folder.model("int8")), half_written(folder.scores("float32"))]
    for path in kept:
        path.touch()
    assert all(path.is_file() for path in left)
    folder.finish({})  # type: ignore[typeddict-item]
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {*kept, tmp_path / "conversion.json"}
