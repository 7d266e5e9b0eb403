"""A screening: every input once, the answers of `predict`, duplicates, resumption, refusals."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.screen import parts
from freezenet.edge_runtime.screen.engines.local import LocalEngine
from freezenet.edge_runtime.screen.index import _Index
from freezenet.edge_runtime.screen.rows import SCHEMA_VERSION, VERSION_KEY, row_schema


@pytest.fixture
def model(models) -> Path:
    return models / "int8.tflite"


def test_rows_are_the_answers_of_predict(model, archive, screened_once, rows, predict_columns):
    said = json.loads((screened_once / "_SUCCESS").read_text())
    found = rows(screened_once)
    files = sorted(str(path) for path in archive.rglob("*") if path.is_file())
    assert sorted(row["uri"] for row in found) == files
    assert [row["number"] for row in found] == list(range(40))
    assert said["inputs"] == 40 and said["finished"] and said["statuses"]["refused"] >= 3
    for row in found:
        data = Path(row["uri"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(data).hexdigest() and row["bytes"] == len(data)
        expected = predict_columns(model, data)
        assert {key: row[key] for key in expected} == expected, row["uri"]
        assert row["shard"] == row["number"] // 10
        assert row["source"] == Path(row["uri"]).parent.name
        assert row["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()


def test_the_manifest_names_every_input_once_and_success_comes_last(archive, screened_once):
    parts = pq.read_table(screened_once / "manifest").to_pydict()
    assert sorted(parts["uri"]) == sorted(str(path) for path in archive.rglob("*") if path.is_file())
    assert sorted(parts["number"]) == list(range(40))
    assert len(list((screened_once / "rows").iterdir())) == 4
    success = json.loads((screened_once / "_SUCCESS").read_text())
    assert success["inputs"] == 40 and success["finished"]
    schema = pq.read_schema(screened_once / "rows" / "shard-00000.parquet")
    assert schema.metadata[VERSION_KEY] == str(SCHEMA_VERSION).encode()
    assert pa.types.is_float64(
        schema.field(f"p_{json.loads((screened_once / 'job.json').read_text())['labels'][0]}").type
    )


def test_duplicates_say_whose_answer_they_have(screened_once, rows):
    said = json.loads((screened_once / "_SUCCESS").read_text())
    found = rows(screened_once)
    first: dict[str, dict] = {}
    for row in found:
        original = first.setdefault(row["sha256"], row)
        assert row["duplicate_of"] == (None if original is row else original["uri"])
        content = {key: value for key, value in row.items() if key.startswith("p_")}
        assert content == {key: original[key] for key in content} and row["label"] == original["label"]
    assert said["duplicates"] == 40 - len(first) >= 4
    # The process looked the content up and answered it no second time.
    assert any(row["duplicate_of"] and row["ms_invoke"] is None for row in found)


def test_dicom_uids_are_hashed_unless_asked(model, archive, tmp_path, screened_once, screen, rows):
    screen(model, archive, tmp_path / "plain", plain_uids=True)
    hashed, plain = rows(screened_once), rows(tmp_path / "plain")
    dicom = [number for number, row in enumerate(plain) if row["study"]]
    assert dicom and {plain[number]["study"] for number in dicom} == {"1.2.3.4"}
    assert {hashed[number]["study"] for number in dicom} == {hashlib.sha256(b"1.2.3.4").hexdigest()[:32]}
    assert {hashed[number]["month"] for number in dicom} == {"2026-02"}
    assert "1.2.3.4" not in str(hashed)


def test_pictures_are_written_for_the_label_alone(model, archive, tmp_path, screen, rows):
    screen(model, archive, tmp_path / "all", cam=True)
    found = rows(tmp_path / "all")
    label = next(row["label"] for row in found if row["label"])
    screen(model, archive, tmp_path / "out", cam=True, only=label)
    for row, every in zip(rows(tmp_path / "out"), found, strict=True):
        assert (row["cam"] is not None) == (row["label"] == label)
        assert (every["cam"] is not None) == (every["status"] == "answered" and every["reason"] != "not a chest X-ray")
        if row["cam"]:
            assert (tmp_path / "out" / row["cam"]).read_bytes() == (tmp_path / "all" / every["cam"]).read_bytes()
    # No picture without a row, as those of duplicates that were drawn before it was known.
    written = {path.relative_to(tmp_path / "all").as_posix() for path in (tmp_path / "all" / "cam").rglob("*.png")}
    assert written == {row["cam"] for row in found if row["cam"]}


def test_the_same_command_again_says_what_is_there(model, archive, screened_once, out, screened, comparable):
    again = screened(model, archive, out, "--shard", 10, "--workers", 1)
    first = json.loads((screened_once / "_SUCCESS").read_text())
    assert {key: again[key] for key in ("inputs", "statuses", "duplicates", "finished")} == {
        key: first[key] for key in ("inputs", "statuses", "duplicates", "finished")
    }
    assert comparable(out) == comparable(screened_once)


def test_a_lost_shard_and_lost_indexes_are_made_again(model, archive, out, screened_once, screen, comparable):
    before = comparable(screened_once)
    for lost in (out / "rows" / "shard-00002.parquet", out / "_SUCCESS"):
        lost.unlink()
    shutil.rmtree(out / ".state")
    screen(model, archive, out, shard=10)
    assert comparable(out) == before
    (out / "_SUCCESS").unlink()
    (out / "rows" / "shard-00003.parquet").unlink()
    (out / ".state" / "contents.sqlite").write_bytes(b"no database at all, but more than a header's length" * 100)
    screen(model, archive, out, shard=10)
    assert comparable(out) == before


def test_a_listing_that_was_killed_goes_on(model, archive, tmp_path, screen, comparable):
    out = tmp_path / "out"
    screen(model, archive, out, shard=16)
    before = comparable(out)
    for lost in ("_SUCCESS", "listing.json", "rows/shard-00001.parquet", "rows/shard-00002.parquet"):
        (out / lost).unlink()
    # The last part is not full, and nothing says that it is the last.
    screen(model, archive, out, shard=16)
    assert comparable(out) == before


@pytest.mark.parametrize(
    ("what", "arguments"),
    [("shard", ("--shard", 9)), ("uids", ("--plain-uids",)), ("dicom_tags", ("--ignore-tags",))],
)
def test_other_settings_are_refused(what, arguments, model, archive, out, screened):
    said = screened(model, archive, out, "--workers", 1, "--shard", 10, *arguments, code=1)
    assert f"begun with other {what}; choose another --out" in said["stderr"]


def test_another_model_another_input_and_a_strange_folder_are_refused(models, model, archive, out, tmp_path, screened):
    said = screened(models / "float32.tflite", archive, out, "--shard", 10, code=1)
    assert "begun with other model; choose" in said["stderr"]
    said = screened(model, archive / "one", out, "--shard", 10, code=1)
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
    said = screened(model, archive, tmp_path / "third", "--only", "Clear", code=2)
    assert "--only LABEL stands with --cam, or with --summary" in said["stderr"]
    said = screened(model, archive, tmp_path / "third", "--column", "file", code=1)
    assert "A table (.csv, .parquet) is required with --column" in said["stderr"]


def test_a_full_disk_is_one_sentence(model, tmp_path, screen, monkeypatch):
    original = _Index._open

    def on_a_full_disk(self) -> None:
        original(self)
        self._database.execute("PRAGMA max_page_count = 1")  # no more than there are

    monkeypatch.setattr(_Index, "_open", on_a_full_disk)
    (tmp_path / "list.txt").write_text("\n".join(f"/nothing/{number}.png" for number in range(2000)))
    with pytest.raises(
        DataError, match=r"A folder that can be written is required for --out\. Got: .*: database or disk is full"
    ):
        screen(model, tmp_path / "list.txt", tmp_path / "out", shard=1000)
    monkeypatch.setattr(_Index, "_open", original)
    assert screen(model, tmp_path / "list.txt", tmp_path / "out", shard=1000).finished


def start(model: Path, source: Path, out: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "freezenet", "screen", str(model), str(source), "--out", str(out), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_sigterm_finishes_the_shards_in_hand(model, fill, tmp_path, screen, comparable):
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
    screen(model, tmp_path / "archive", out, shard=20)
    screen(model, tmp_path / "archive", tmp_path / "plain", lambda one: LocalEngine(one, 2), shard=20)
    assert comparable(out) == comparable(tmp_path / "plain")


@pytest.mark.parametrize("damage", [False, True])
def test_a_stop_in_a_large_shard_keeps_what_is_answered(
    damage, model, archive, screened_once, tmp_path, screen, comparable, monkeypatch
):
    """Nothing is answered twice, unless the file with the answers was damaged meanwhile."""
    monkeypatch.setattr(parts, "GRACE", 0)
    out, stop = tmp_path / "out", threading.Event()

    class Stopping(LocalEngine):
        def rows(self, shards):
            for count, row in enumerate(super().rows(shards)):
                if count == 20:
                    stop.set()
                yield row

    outcome = screen(model, archive, out, lambda one: Stopping(one, 1), stop=stop, shard=1000)
    assert not outcome.finished and outcome.inputs == 0
    (part,) = (out / ".state" / "parts").glob("*.parquet")
    kept = {row["number"]: row["ms_fetch"] for row in pq.read_table(part).to_pylist()}
    assert 20 <= len(kept) < 40
    if damage:
        part.write_bytes(part.read_bytes()[:-50])
    assert screen(model, archive, out, shard=1000).finished
    found = pq.read_table(out / "rows").to_pylist()
    taken = {row["number"] for row in found if kept.get(row["number"]) == row["ms_fetch"]}
    assert taken == (set() if damage else set(kept)) and not list(part.parent.iterdir())
    expected = [{**row, "shard": 0} for row in comparable(screened_once)]
    assert comparable(out) == expected


def test_what_is_kept_of_a_shard_of_one_input_does_not_stay(tmp_path):
    schema = row_schema(["Clear"], 1)
    kept = parts.Parts(tmp_path, schema)
    kept.keep({3: [{"number": 3, "uri": "3.png", "status": "answered"}]})
    assert len(list(tmp_path.iterdir())) == 1
    assert parts.Parts(tmp_path, schema).read({3: 1}) == {} and not list(tmp_path.iterdir())


def test_two_at_a_time_are_refused_and_no_process_stays_behind(model, fill, tmp_path, screened):
    fill(tmp_path / "archive", 200)
    out = tmp_path / "out"
    process = start(model, tmp_path / "archive", out, "--shard", "4", "--workers", "2")
    try:
        wait_for(lambda: (out / "job.json").exists())
        said = screened(model, tmp_path / "archive", out, "--shard", 4, code=1)
        assert "A folder that no other process screens into is required" in said["stderr"]
        wait_for(lambda: (out / "rows").exists() and list((out / "rows").glob("shard-*")))
        children = [int(one) for one in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        assert len(children) >= 2
    finally:
        process.kill()
        process.communicate()

    def ended(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            return True

    assert os.path.isdir(out)
    wait_for(lambda: all(map(ended, children)))


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
