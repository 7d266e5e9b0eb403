"""Many images with several workers: the answers of one worker, in order, with bounded memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import pytest

from freezenet.edge_runtime import batch
from freezenet.edge_runtime.batch import available_cores, predict_all
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError, ModelError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def classifier(models) -> Classifier:
    return Classifier(models / "int8.tflite")


@pytest.fixture(scope="module")
def images(phantoms) -> list[tuple[str, str]]:
    """24 good images with a missing file, bytes that are no image, and an image as bytes among them."""
    found: list = [(path.name, str(path)) for path in sorted(phantoms.parent.rglob("*.png"))[::8][:24]]
    found[3:3] = [("missing.png", "missing.png")]
    found[11:11] = [("text", b"this is text")]
    found[12:12] = [("bytes", Path(found[0][1]).read_bytes())]
    return found


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_answers_are_those_of_the_classifier_in_the_order_of_the_images(classifier, images, workers):
    given = list(predict_all(classifier, iter(images), workers=workers))
    assert [name for name, _ in given] == [name for name, _ in images]
    for (_, image), (_, answer) in zip(images, given, strict=True):
        try:
            expected = classifier.predict(image)
        except FreezenetError as error:
            assert isinstance(answer, FreezenetError)
            assert str(answer) == str(error)
        else:
            assert (answer.label, answer.probabilities) == (expected.label, expected.probabilities)
    assert [name for name, answer in given if isinstance(answer, FreezenetError)] == ["missing.png", "text"]


def test_overlays_are_those_of_the_classifier(classifier, images):
    given = dict(predict_all(classifier, images[:3], workers=2, overlay=True))
    assert {name: classifier.predict(image, overlay=True).overlay for name, image in images[:3]} == {
        name: answer.overlay for name, answer in given.items()
    }


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_no_more_images_are_taken_than_the_workers_need(classifier, images, workers):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield str(taken), images[0][1]

    answers = predict_all(classifier, endless(), workers=workers)
    for number in range(1, 40):
        name, _ = next(answers)
        assert name == str(number)
        assert taken <= number + batch._AHEAD * workers
    answers.close()


def test_each_worker_has_an_interpreter_of_its_own_and_the_given_one_is_used(classifier, images, monkeypatch):
    predict, all_at_work, lock = Classifier.predict, threading.Barrier(3), threading.Lock()
    busy, used = set(), set()

    def watched(self, image, overlay=False, photo=False):
        with lock:
            assert self not in busy
            new = self not in used
            busy.add(self)
            used.add(self)
        if new:
            # Passes only when three have one each.
            all_at_work.wait(timeout=60)
        try:
            return predict(self, image, overlay)
        finally:
            busy.remove(self)

    monkeypatch.setattr(Classifier, "predict", watched)
    list(predict_all(classifier, images, workers=3))
    assert len(used) == 3
    assert classifier in used


def test_another_failure_is_raised_in_its_place(classifier, images, monkeypatch):
    predict = Classifier.predict

    def failing(self, image, overlay=False, photo=False):
        if image == images[5][1]:
            raise MemoryError
        return predict(self, image, overlay)

    monkeypatch.setattr(Classifier, "predict", failing)
    for workers in (1, 2):
        answers = predict_all(classifier, images, workers=workers)
        assert [next(answers)[0] for _ in range(5)] == [name for name, _ in images[:5]]
        with pytest.raises(MemoryError):
            next(answers)


def test_closing_ends_the_workers_and_gives_opencv_its_threads_back(classifier, images):
    before, threads = cv2.getNumThreads(), threading.active_count()
    answers = predict_all(classifier, images, workers=2)
    next(answers)
    assert cv2.getNumThreads() == 1
    assert threading.active_count() > threads
    answers.close()
    assert cv2.getNumThreads() == before
    assert threading.active_count() == threads


def test_a_model_that_is_gone_for_the_second_worker_is_one_sentence(models, images, tmp_path, monkeypatch):
    copy = tmp_path / "int8.tflite"
    copy.write_bytes((models / "int8.tflite").read_bytes())
    first = Classifier(copy)
    copy.unlink()
    predict, started = Classifier.predict, threading.Event()

    def slow(self, image, overlay=False, photo=False):
        # The first worker waits until the second has tried to start.
        started.wait(timeout=60)
        return predict(self, image, overlay)

    def failing(self, *arguments, **options):
        started.set()
        raise FreezenetError("A model file is required. Got: none.")

    monkeypatch.setattr(Classifier, "predict", slow)
    monkeypatch.setattr(Classifier, "__init__", failing)
    with pytest.raises(FreezenetError, match="A model file is required"):
        list(predict_all(first, images[:3], workers=2))


def test_the_cores_are_those_that_the_process_may_use():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system binds no process to a core")
    one = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{one}}}); from freezenet.edge_runtime.batch import available_cores; print(available_cores())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "1\n"
    assert available_cores() == len(os.sched_getaffinity(0))


@pytest.mark.skipif(os.name != "posix", reason="only POSIX sends the signal of Ctrl-C to one process")
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_the_command(models, images, workers):
    # As many arguments as take far longer than the signal.
    files = [images[0][1]] * 20_000
    command = [sys.executable, "-m", "freezenet", "predict", str(models / "int8.tflite"), "--workers", str(workers)]
    with subprocess.Popen(
        [*command, *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        # A shell lets what it starts in the background ignore Ctrl-C, and so would this child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "Interrupted."
    assert len(out.splitlines()) < len(files) / 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_cannot_compute_is_the_fault_of_no_image(classifier, images, monkeypatch, workers):
    def broken(self, image, overlay=False, photo=False):
        raise ModelError("A network that can be computed is required. Got: a damaged one.")

    monkeypatch.setattr(Classifier, "predict", broken)
    with pytest.raises(ModelError, match="Got: a damaged one"):
        list(predict_all(classifier, images, workers=workers))
