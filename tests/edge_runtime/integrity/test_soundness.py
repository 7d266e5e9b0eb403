"""What is asked of a model before and after the interpreter sees it."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import ModelError, RefusedError
from freezenet.edge_runtime.integrity import soundness
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.system.child import module_command


@pytest.fixture
def trials(monkeypatch):
    """Count the processes that try a network."""
    seen = []
    monkeypatch.setattr(soundness, "module_command", lambda *given: seen.append(given) or module_command(*given))
    return seen


def with_other_weight(model, tmp_path):
    """A file whose network has one other byte in the middle, where the weights lie."""
    content = bytearray(model.read_bytes())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = min(one.header_offset for one in archive.infolist())
    content[start // 2] ^= 1
    changed = tmp_path / "other.tflite"
    changed.write_bytes(content)
    return changed


def test_a_network_that_is_not_the_cards_is_refused_and_can_be_insisted_on(models, tmp_path, trials):
    changed = with_other_weight(models / "int8.tflite", tmp_path)
    with pytest.raises(RefusedError, match=r"Got: other\.tflite with another one.*--accept-changed") as caught:
        Classifier(changed)
    assert caught.value.exit_code == 3
    assert not trials
    insisted = Classifier(changed, accept_changed=True)
    assert len(trials) == 1
    assert insisted.another().identity == insisted.identity
    assert len(trials) == 1


def test_only_what_nothing_proves_is_tried_by_a_process_of_its_own(models, with_card, trials):
    Classifier(models / "int8.tflite")
    Classifier(models / "int8.tflite", accept_changed=True)
    old = with_card(models / "int8.tflite", lambda card: card.pop("network"))
    Classifier(ModelFile(old, old.read_bytes(), proven=True))
    assert not trials
    Classifier(old)
    assert [given[0] for given in trials] == ["freezenet.edge_runtime.integrity.soundness"]


@pytest.mark.parametrize(
    ("program", "said"),
    [("import os; os.abort()", "signal 6"), ("import time; time.sleep(60)", "nothing for 0.5 s")],
)
def test_a_network_that_ends_its_trial_is_one_sentence(models, with_card, monkeypatch, program, said):
    old = with_card(models / "int8.tflite", lambda card: card.pop("network"))
    monkeypatch.setattr(soundness, "module_command", lambda *given: [sys.executable, "-c", program])
    monkeypatch.setattr(soundness, "_LONGEST_TRIAL", 0.5)
    with pytest.raises(ModelError, match=rf"at which a process of its own ended with {said}"):
        Classifier(old)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x20\0\0\0TFL3" + bytes(1000)])
def test_the_trial_itself_says_nothing(content):
    command = module_command("freezenet.edge_runtime.integrity.soundness", "")
    done = subprocess.run(command, input=content, capture_output=True, check=False)
    assert (done.stdout, b"Traceback" in done.stderr) == (b"", False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card["preprocess"].update(size=[64, 64]), "an input of 1 x 64 x 64 x 3"),
        (lambda card: card["outputs"].pop(), "outputs scores, cam of its card"),
        (lambda card: card.update(outputs=["scores", "features", "cam"]), "output cam that fits"),
        (lambda card: card["labels"].append("Other"), "one score for each of its 5 labels"),
        (
            lambda card: card.update(gate={"kind": "logistic", "weights": [1.0], "bias": 0, "threshold": 0.5}),
            "output features that fits the labels and the OOD gate",
        ),
    ],
)
def test_a_card_that_describes_another_network_is_refused(models, with_card, change, said):
    with pytest.raises(ModelError, match=said):
        Classifier(with_card(models / "int8.tflite", change))


def test_an_input_that_is_not_the_models_is_one_sentence(models):
    interpreter = Classifier(models / "int8.tflite").interpreter
    with pytest.raises(ModelError, match="for an input of 1 x 8 x 8 x 3 is required"):
        interpreter.invoke(np.zeros((1, 8, 8, 3), np.uint8))
