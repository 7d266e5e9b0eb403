"""A screening: every input once, the answers of `predict`, duplicates, resumption, refusals."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from freezenet.edge_runtime.screen.rows import SCHEMA_VERSION, VERSION_KEY


@pytest.fixture
def model(models) -> Path:
    return models / "int8.tflite"


def test_rows_are_the_answers_of_predict(model, archive, tmp_path, screened, rows, predict_columns):
    said = screened(model, archive, tmp_path / "out", "--shard", 16, "--workers", 2)
    found = rows(tmp_path / "out")
    files = sorted(str(path) for path in archive.rglob("*") if path.is_file())
    assert sorted(row["uri"] for row in found) == files
    assert [row["number"] for row in found] == list(range(40))
    assert said["inputs"] == 40 and said["finished"] and said["statuses"]["refused"] >= 3
    for row in found:
        data = Path(row["uri"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(data).hexdigest() and row["bytes"] == len(data)
        expected = predict_columns(model, data)
        assert {key: row[key] for key in expected} == expected, row["uri"]
        assert row["shard"] == row["number"] // 16
        assert row["source"] == Path(row["uri"]).parent.name
        assert row["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()


def test_the_manifest_names_every_input_once_and_success_comes_last(model, archive, tmp_path, screened):
    screened(model, archive, tmp_path / "out", "--shard", 7, "--workers", 1)
    parts = pq.read_table(tmp_path / "out" / "manifest").to_pydict()
    assert sorted(parts["uri"]) == sorted(str(path) for path in archive.rglob("*") if path.is_file())
    assert sorted(parts["number"]) == list(range(40))
    assert len(list((tmp_path / "out" / "rows").iterdir())) == 6
    success = json.loads((tmp_path / "out" / "_SUCCESS").read_text())
    assert success["inputs"] == 40 and success["finished"]
    schema = pq.read_schema(tmp_path / "out" / "rows" / "shard-00000.parquet")
    assert schema.metadata[VERSION_KEY] == str(SCHEMA_VERSION).encode()
    assert pa.types.is_float64(
        schema.field(f"p_{json.loads((tmp_path / 'out' / 'job.json').read_text())['labels'][0]}").type
    )


def test_duplicates_say_whose_answer_they_have(model, archive, tmp_path, screened, rows):
    said = screened(model, archive, tmp_path / "out", "--shard", 10, "--workers", 2)
    found = rows(tmp_path / "out")
    first: dict[str, dict] = {}
    for row in found:
        original = first.setdefault(row["sha256"], row)
        assert row["duplicate_of"] == (None if original is row else original["uri"])
        content = {key: value for key, value in row.items() if key.startswith("p_")}
        assert content == {key: original[key] for key in content} and row["label"] == original["label"]
    assert said["duplicates"] == 40 - len(first) >= 4
    # The process looked the content up and answered it no second time.
    assert any(row["duplicate_of"] and row["ms_invoke"] is None for row in found)


def test_dicom_uids_are_hashed_unless_asked(model, archive, tmp_path, screened, rows):
    screened(model, archive, tmp_path / "hashed", "--workers", 1)
    screened(model, archive, tmp_path / "plain", "--workers", 1, "--plain-uids")
    hashed, plain = rows(tmp_path / "hashed"), rows(tmp_path / "plain")
    dicom = [number for number, row in enumerate(plain) if row["study"]]
    assert dicom and {plain[number]["study"] for number in dicom} == {"1.2.3.4"}
    assert {hashed[number]["study"] for number in dicom} == {hashlib.sha256(b"1.2.3.4").hexdigest()[:32]}
    assert {hashed[number]["month"] for number in dicom} == {"2026-02"}
    assert "1.2.3.4" not in str(hashed)


def test_pictures_are_written_for_the_label_alone(model, archive, tmp_path, screened, rows):
    screened(model, archive, tmp_path / "all", "--cam", "--workers", 1)
    found = rows(tmp_path / "all")
    label = next(row["label"] for row in found if row["label"])
    screened(model, archive, tmp_path / "out", "--cam", "--only", label, "--workers", 1)
    for row, every in zip(rows(tmp_path / "out"), found, strict=True):
        assert (row["cam"] is not None) == (row["label"] == label)
        assert (every["cam"] is not None) == (every["status"] == "answered" and every["reason"] != "not a chest X-ray")
        if row["cam"]:
            assert (tmp_path / "out" / row["cam"]).read_bytes() == (tmp_path / "all" / every["cam"]).read_bytes()
    # No picture without a row, as those of duplicates that were drawn before it was known.
    written = {path.relative_to(tmp_path / "all").as_posix() for path in (tmp_path / "all" / "cam").rglob("*.png")}
    assert written == {row["cam"] for row in found if row["cam"]}


def test_the_same_command_again_says_what_is_there(model, archive, tmp_path, screened, comparable):
    first = screened(model, archive, tmp_path / "out", "--shard", 10, "--workers", 1)
    before = comparable(tmp_path / "out")
    again = screened(model, archive, tmp_path / "out", "--shard", 10, "--workers", 1)
    assert {**again, "stderr": ""} == {**first, "stderr": ""} and comparable(tmp_path / "out") == before


def test_a_lost_shard_and_lost_indexes_are_made_again(model, archive, tmp_path, screened, comparable):
    out = tmp_path / "out"
    screened(model, archive, out, "--shard", 8, "--workers", 1)
    before = comparable(out)
    for lost in (out / "rows" / "shard-00002.parquet", out / "_SUCCESS"):
        lost.unlink()
    shutil.rmtree(out / ".state")
    screened(model, archive, out, "--shard", 8, "--workers", 1)
    assert comparable(out) == before
    (out / "_SUCCESS").unlink()
    (out / "rows" / "shard-00004.parquet").unlink()
    (out / ".state" / "contents.sqlite").write_bytes(b"no database at all, but more than a header's length" * 100)
    screened(model, archive, out, "--shard", 8, "--workers", 1)
    assert comparable(out) == before


def test_a_listing_that_was_killed_goes_on(model, archive, tmp_path, screened, comparable):
    out = tmp_path / "out"
    screened(model, archive, out, "--shard", 16, "--workers", 1)
    before = comparable(out)
    for lost in ("_SUCCESS", "listing.json", "rows/shard-00001.parquet", "rows/shard-00002.parquet"):
        (out / lost).unlink()
    # The last part is not full, and nothing says that it is the last.
    screened(model, archive, out, "--shard", 16, "--workers", 1)
    assert comparable(out) == before


@pytest.mark.parametrize(
    ("what", "arguments"),
    [("shard", ("--shard", 9)), ("uids", ("--plain-uids",)), ("dicom_tags", ("--ignore-tags",))],
)
def test_other_settings_are_refused(what, arguments, model, archive, tmp_path, screened):
    screened(model, archive, tmp_path / "out", "--workers", 1)
    said = screened(model, archive, tmp_path / "out", "--workers", 1, *arguments, code=1)
    assert f"begun with other {what}; choose another --out" in said["stderr"]


def test_another_model_another_input_and_a_strange_folder_are_refused(models, model, archive, tmp_path, screened):
    screened(model, archive, tmp_path / "out", "--workers", 1)
    said = screened(models / "float32.tflite", archive, tmp_path / "out", code=1)
    assert "begun with other model; choose" in said["stderr"]
    said = screened(model, archive / "one", tmp_path / "out", code=1)
    assert "begun with other IN; choose" in said["stderr"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").touch()
    said = screened(model, archive, tmp_path / "full", code=1)
    assert "An empty folder, or that of the same screening, is required" in said["stderr"]
    assert [path.name for path in (tmp_path / "full").iterdir() if path.name != ".state"] == ["thesis.doc"]


def test_nothing_to_screen_and_misspelt_labels_are_sentences(model, archive, tmp_path, screened):
    (tmp_path / "empty").mkdir()
    assert "At least one image is required" in screened(model, tmp_path / "empty", tmp_path / "out", code=1)["stderr"]
    assert "which does not exist" in screened(model, tmp_path / "nothing", tmp_path / "other", code=1)["stderr"]
    said = screened(model, archive, tmp_path / "third", "--cam", "--only", "Claer", code=1)
    assert "is required for --only. Got: Claer. Did you mean Clear?" in said["stderr"]


def start(model: Path, source: Path, out: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "freezenet", "screen", str(model), str(source), "--out", str(out), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_sigterm_finishes_the_shards_in_hand(model, fill, tmp_path, screened, comparable):
    fill(tmp_path / "archive", 400)
    out = tmp_path / "out"
    process = start(model, tmp_path / "archive", out, "--shard", "20", "--workers", "1")
    wait_for(lambda: (out / "rows" / "shard-00000.parquet").exists())
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM and "the same command goes on" in said
    there = len(list((out / "rows").iterdir()))
    assert 1 <= there < 20 and not (out / "_SUCCESS").exists()
    assert all(pq.read_metadata(path).num_rows == 20 for path in (out / "rows").iterdir())
    screened(model, tmp_path / "archive", out, "--shard", 20, "--workers", 1)
    screened(model, tmp_path / "archive", tmp_path / "plain", "--shard", 20, "--workers", 2)
    assert comparable(out) == comparable(tmp_path / "plain")


def test_two_at_a_time_are_refused(model, fill, tmp_path, screened):
    fill(tmp_path / "archive", 200)
    process = start(model, tmp_path / "archive", tmp_path / "out", "--shard", "20", "--workers", "1")
    try:
        wait_for(lambda: (tmp_path / "out" / "job.json").exists())
        said = screened(model, tmp_path / "archive", tmp_path / "out", "--shard", 20, code=1)
        assert "A folder that no other process screens into is required" in said["stderr"]
    finally:
        process.kill()
        process.communicate()


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_no_process_stays_behind(model, archive, tmp_path, screened):
    process = start(model, archive, tmp_path / "out", "--shard", "4", "--workers", "2")
    wait_for(lambda: (tmp_path / "out" / "rows").exists() and list((tmp_path / "out" / "rows").glob("shard-*")))
    children = [int(one) for one in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    process.kill()
    process.communicate()

    def ended(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            return True

    assert os.path.isdir(tmp_path / "out")
    wait_for(lambda: all(map(ended, children)))
