"""What has no answer for a reason that may pass is tried again at the end, and whenever somebody asks; then the rows are those of a better day."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DataError, TemporaryError
from freezenet.edge_runtime.screen import retries
from freezenet.edge_runtime.screen.engines.answers import Answering
from freezenet.edge_runtime.screen.engines.local import LocalEngine
from freezenet.edge_runtime.screen.inputs.item import Item
from freezenet.edge_runtime.screen.job import Screening

#: So little time that no process that decodes can even start.
NO_TIME = 0.001


@pytest.fixture
def model(models) -> Path:
    return models / "int8.tflite"


@pytest.fixture
def heavy(phantoms, tmp_path) -> Path:
    """A list of an image, of one that only a process may decode, and of its duplicate."""
    folder = tmp_path / "heavy"
    folder.mkdir()
    shutil.copy(next(phantoms.parent.rglob("*.png")), folder / "0.png")
    # 16 bits a sample: more memory than a thread may take.
    (folder / "1.png").write_bytes(cv2.imencode(".png", np.zeros((4200, 4200), np.uint16))[1].tobytes())
    shutil.copy(folder / "1.png", folder / "2.png")
    return folder


def hurried(answering: Answering) -> LocalEngine:
    return LocalEngine(replace(answering, patience=NO_TIME), 1)


class AlwaysHurried(LocalEngine):
    """One that has no more time for what is tried again."""

    def patient(self) -> LocalEngine:
        return hurried(self._answering)


class Scripted:
    """An engine without a model: "a" is an answer for content a, "a?" that it was not decoded, "-" that the input was not fetched.

    Args:
        first: A word for each input.
        again: A word for each input that is tried again, in their order.
    """

    def __init__(self, first: str, again: str = "") -> None:
        self._first, self._again = iter(first.split()), again

    def rows(self, shards):
        for shard in shards:
            for item in shard.items():
                word = next(self._first)
                row = {
                    "number": item.number,
                    "uri": item.uri,
                    "status": "answered" if word.isalnum() else "not decoded",
                }
                yield (
                    {**row, "status": "not fetched"} if word == "-" else {**row, "sha256": word[0].encode().hex() * 32}
                )

    def patient(self) -> Scripted:
        return Scripted(self._again)

    def close(self) -> None:
        pass


@pytest.fixture
def scripted(model, tmp_path, screen, rows):
    """A function that screens by a script and returns the outcome and (status, number of the first of the content or None) of each row."""

    def run(first: str, again: str, *, inputs: int, **more):
        listed = tmp_path / "list.txt"
        names = [str(tmp_path / f"{number}.png") for number in range(inputs)]
        if not listed.exists():  # what is written anew is another IN
            listed.write_text("\n".join(names))
        outcome = screen(model, listed, tmp_path / "out", lambda _: Scripted(first, again), shard=2, **more)
        firsts = {None: None} | {name: number for number, name in enumerate(names)}
        return outcome, [(row["status"], firsts[row["duplicate_of"]]) for row in rows(tmp_path / "out")]

    return run


@pytest.mark.parametrize("kill", [False, True])
def test_duplicates_follow_where_the_run_ended_behind_the_first(kill, scripted, monkeypatch):
    stop, write = threading.Event(), Screening._write

    def ending(self, shard, rows):
        write(self, shard, rows)
        if rows[0]["status"] == "answered" and shard == 0:
            stop.set()
            if kill:
                raise KeyboardInterrupt

    monkeypatch.setattr(Screening, "_write", ending)
    if kill:
        with pytest.raises(KeyboardInterrupt):
            scripted("a? b c d e a?", "a", inputs=6)
    else:
        assert not scripted("a? b c d e a?", "a", inputs=6, stop=stop)[0].finished
    monkeypatch.setattr(Screening, "_write", write)
    outcome, found = scripted("", "", inputs=6)
    assert outcome.finished and found == [("answered", None)] * 5 + [("answered", 0)]


def test_duplicates_follow_where_others_of_their_shard_are_not_tried(scripted, monkeypatch):
    monkeypatch.setattr(retries, "_HOPELESS", 1)
    _, found = scripted("a? z? y? a?", "a z?", inputs=4)
    assert found == [("answered", None), ("not decoded", None), ("not decoded", None), ("answered", 0)]


@pytest.mark.parametrize(
    ("first", "kept"),
    [
        ("- b a c", [("not fetched", None), ("answered", None), ("answered", None), ("answered", None)]),
        ("- a a c", [("not fetched", None), ("answered", None), ("answered", 1), ("answered", None)]),
    ],
)
def test_a_failure_takes_no_answer_away(first, kept, scripted):
    assert scripted(first, "a?", inputs=4)[1] == kept
    place = 2 if first[2] == "b" else 1
    expected = [("answered", 0 if one == place or kept[one][1] == 1 else None) for one in range(4)]
    assert scripted("", "a", inputs=4, retry=True)[1] == expected


@pytest.mark.parametrize(("first", "again"), [("- - a b", "a a"), ("- a a b", "a")])
def test_all_follow_the_very_first(first, again, scripted):
    expected = [("answered", None), ("answered", 0), ("answered", 0), ("answered", None)]
    assert scripted(first, again, inputs=4)[1] == expected


def test_a_file_without_time_is_tried_again_at_the_end(model, heavy, tmp_path, screen, comparable, caplog):
    with caplog.at_level("INFO"):
        outcome = screen(model, heavy, tmp_path / "out", hurried, shard=1)
    assert "Trying 1 input again, alone and with more time: 1 not decoded" in caplog.text
    assert outcome.finished and outcome.statuses == {"answered": 3} and outcome.duplicates == 1
    screen(model, heavy, tmp_path / "quiet", shard=1)
    assert comparable(tmp_path / "out") == comparable(tmp_path / "quiet")


def test_what_fails_again_says_so_and_a_later_run_tries_it(model, heavy, tmp_path, screen, rows, comparable):
    out = tmp_path / "out"
    made = screen(model, heavy, out, lambda one: AlwaysHurried(replace(one, patience=NO_TIME), 1), shard=2)
    assert made.finished and made.statuses == {"not decoded": 2, "answered": 1}
    assert [row["duplicate_of"] is not None for row in rows(out)] == [False, False, True]
    assert all("within 0.015 seconds is required" in row["error"] for row in rows(out)[1:])
    assert screen(model, heavy, out, shard=2).statuses == made.statuses  # unless it is asked for
    again = screen(model, heavy, out, retry=True, shard=2)
    assert again.finished and again.statuses == {"answered": 3} and again.duplicates == 1
    screen(model, heavy, tmp_path / "quiet", shard=2)
    assert comparable(out) == comparable(tmp_path / "quiet")


def test_an_outage_passes_and_duplicates_follow_the_first(model, phantoms, tmp_path, screen, comparable, rows):
    pictures = sorted(phantoms.parent.rglob("*.png"))[:8]
    names = [tmp_path / f"{number:02d}.png" for number in range(12)]
    for number, name in enumerate(names):
        # Every later one of a shard repeats one of the first shard.
        shutil.copy(pictures[number if number < 8 else number - 8], name)
    (tmp_path / "list.txt").write_text("\n".join(map(str, names)))
    screen(model, tmp_path / "list.txt", tmp_path / "quiet", shard=4)
    for name in (names[1], names[6], names[9]):
        name.rename(name.with_suffix(".away"))
    out = tmp_path / "out"
    assert screen(model, tmp_path / "list.txt", out, shard=4).statuses == {"answered": 9, "not fetched": 3}
    for name in (names[1], names[6]):
        name.with_suffix(".away").rename(name)
    assert screen(model, tmp_path / "list.txt", out, retry=True, shard=4).statuses == {"answered": 11, "not fetched": 1}
    # One that was answered while the first of its content was away follows it now.
    names[9].with_suffix(".away").rename(names[9])
    screen(model, tmp_path / "list.txt", out, retry=True, shard=4)
    assert comparable(out) == comparable(tmp_path / "quiet")


def test_a_row_that_stood_in_for_an_absent_first_follows_it(model, phantoms, tmp_path, screen, comparable):
    pictures = sorted(phantoms.parent.rglob("*.png"))[:6]
    names = [tmp_path / f"{number}.png" for number in range(9)]
    for number, name in enumerate(names):
        shutil.copy(pictures[1 if number in (4, 7, 8) else number % 6], name)
    (tmp_path / "list.txt").write_text("\n".join(map(str, names)))
    screen(model, tmp_path / "list.txt", tmp_path / "quiet", shard=3)
    names[1].rename(tmp_path / "away")
    screen(model, tmp_path / "list.txt", tmp_path / "out", shard=3)
    (tmp_path / "away").rename(names[1])
    assert screen(model, tmp_path / "list.txt", tmp_path / "out", retry=True, shard=3).duplicates == 4
    assert comparable(tmp_path / "out") == comparable(tmp_path / "quiet")


def test_a_server_that_is_down_for_longer_than_six_tries(model, phantoms, tmp_path, screen, serve):
    image = next(phantoms.parent.rglob("*.png")).read_bytes()
    down = {"/1.png"}

    class Later(LocalEngine):
        def patient(self) -> LocalEngine:
            down.clear()
            return super().patient()

    address = serve(lambda path: None if path in down else image)
    (tmp_path / "list.txt").write_text("\n".join(f"{address}/{number}.png" for number in range(3)))
    outcome = screen(model, tmp_path / "list.txt", tmp_path / "out", lambda one: Later(one, 1))
    assert outcome.finished and outcome.statuses == {"answered": 3}


def test_a_file_whose_process_was_killed_for_another_reason(model, phantoms, tmp_path, screen, serve, caplog):
    image = next(phantoms.parent.rglob("*.png")).read_bytes()
    engines: list[LocalEngine] = []

    class Short(LocalEngine):
        """Of a machine whose memory is short until the others are done."""

        def patient(self) -> LocalEngine:
            engines.clear()
            return super().patient()

    def content(path: str) -> bytes:
        if path == "/1.png" and engines:
            os.kill(engines[0].pids[0], signal.SIGKILL)
        return image + path.encode()

    address = serve(content)
    (tmp_path / "list.txt").write_text("\n".join(f"{address}/{number}.png" for number in range(3)))

    def made(answering: Answering) -> LocalEngine:
        engines.append(Short(answering, 1))
        return engines[0]

    with caplog.at_level("INFO"):
        outcome = screen(model, tmp_path / "list.txt", tmp_path / "out", made)
    assert "1 killed the reader" in caplog.text and outcome.statuses == {"answered": 3}


def test_files_that_are_gone_keep_no_other_from_being_tried(model, tmp_path, screen, caplog):
    names = [tmp_path / f"{number}.png" for number in range(130)]
    (tmp_path / "list.txt").write_text("\n".join(map(str, names)))
    with caplog.at_level("INFO"):
        outcome = screen(model, tmp_path / "list.txt", tmp_path / "out", shard=50)
    assert outcome.finished and outcome.statuses == {"not fetched": 130}
    assert "Of these now: 130 not fetched" in caplog.text


def test_what_has_not_passed_is_not_waited_for(scripted, caplog):
    with caplog.at_level("INFO"):
        outcome, _ = scripted("- " * 130, "- " * 130, inputs=130)
    assert outcome.finished and outcome.statuses == {"not fetched": 130}
    assert "Of these now: 100 not fetched" in caplog.text
    assert "100 failed one after the other; the others were not tried" in caplog.text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError(), "not decoded"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "not decoded"),
        (OSError(errno.EMFILE, "Too many open files"), "not decoded"),
        (TemporaryError("Time is required."), "not decoded"),
        (DataError("A whole file is required."), "refused"),
        (RuntimeError("odd file"), "refused"),
        (OSError("a decoder's own"), "refused"),
    ],
)
def test_what_is_about_the_moment_and_what_about_the_file(error, status, model, monkeypatch):
    classifier = Classifier(model)

    def predict(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(classifier, "predict", predict)
    row = Answering(classifier).row(Item(0, "a.png"), b"data", 0.0)
    assert row["status"] == status and row["error"]
