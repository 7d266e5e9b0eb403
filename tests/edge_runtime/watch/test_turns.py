"""Whose turn it is: promises about how many others come first."""

from __future__ import annotations

import random
import time

import pytest

from freezenet.edge_runtime.watch import watcher as module
from freezenet.edge_runtime.watch.turns import Turns


def test_each_file_has_one_turn():
    rng = random.Random(0)
    for _ in range(50):
        names = [f"{rng.choice(('', 'a/', 'b/', 'b/c/'))}{number}" for number in range(rng.randrange(40))]
        last = set(rng.sample(names, len(names) // 5))
        order = list(Turns().of(names, last))
        assert sorted(order) == sorted(names)
        assert set(order[len(order) - len(last) :]) == last


def test_one_folder_alone_is_served_oldest_first_and_every_fourth_time_newest_first():
    names = [str(number) for number in range(10)]
    assert list(Turns().of(names)) == ["0", "1", "2", "9", "3", "4", "5", "8", "6", "7"]


@pytest.mark.parametrize("before", range(8))
def test_the_newest_file_has_at_most_three_others_before_it(before):
    turns = Turns()
    rounds = turns.of([str(number) for number in range(10_000)])
    for _ in range(before):
        next(rounds)
    # The next look at the inbox finds one more.
    order = turns.of([*(str(number) for number in range(before, 10_000)), "late"])
    assert "late" in [next(order) for _ in range(4)]


@pytest.mark.parametrize("folders", [1, 2, 7])
def test_a_small_sender_waits_for_each_other_folder_once(folders):
    """However many files lie there, and however many newer ones keep coming."""
    crowd = [f"{folder}/{number}" for number in range(1000) for folder in range(folders)]
    for skipped in range(4 * folders):
        turns = Turns()
        rounds = turns.of(crowd)
        for _ in range(skipped):
            next(rounds)
        order = turns.of(["quiet/x", *crowd])
        most = 4 * (folders + 1) // 3 + 1
        assert "quiet/x" in [next(order) for _ in range(most)]


def test_many_folders_of_one_sender_do_not_keep_the_newest_waiting():
    order = Turns().of([*(f"{number}/x" for number in range(10_000)), "late"])
    assert "late" in [next(order) for _ in range(4)]


def test_a_file_that_arrives_while_a_crowd_is_worked_on_is_not_last(make_watcher, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_ROUND", 0.0)
    for number in range(300):
        (tmp_path / "in" / f"{number:03d}").write_bytes(b"1" + bytes([number % 256, number // 256]))
    done = []

    def hook(content):
        done.append(content)
        if len(done) == 20:
            (tmp_path / "in" / "late").write_bytes(b"late")

    watcher = make_watcher(hook)
    while b"late" not in done:
        watcher.process_once()
    # What was begun, the look that finds it, and its turn. A look of no length still does ten times its own time of work.
    assert len(done) < 150
    while watcher.process_once():
        pass
    assert len(done) == 301


def test_a_look_that_takes_longer_than_its_round_still_does_a_file(make_watcher, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_ROUND", 0.0)
    for number in range(3):
        (tmp_path / "in" / str(number)).write_bytes(b"1" + bytes([number]))
    watcher = make_watcher()
    finished = watcher.arrivals.finished
    monkeypatch.setattr(watcher.arrivals, "finished", lambda: [finished(), time.sleep(0.5)][0])
    assert [watcher.process_once() for _ in range(3)] == [1, 1, 1]
