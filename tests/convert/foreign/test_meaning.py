"""What scores are taken for, and what is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from freezenet.convert.foreign.asked import Asked
from freezenet.convert.foreign.classifier import ForeignClassifier
from freezenet.convert.foreign.meaning import Meaning
from freezenet.convert.foreign.reading import read_foreign
from freezenet.edge_runtime.errors import FreezenetError, SettingError
from freezenet.edge_runtime.integrity.model_file import ModelFile

LABELS = "Clear,Diffuse,Focal,Reticular"
SPEC = "mean=127.5,std=127.5,resize=bilinear"


def meaning(maker, spec="", count=4):
    said: list[str] = []
    return Meaning.of(maker, Asked.read(spec or None), count, "a.tflite", said), said


def opened(folder, name, spec, labels=LABELS):
    file = ModelFile.read(folder / f"{name}.tflite")
    return ForeignClassifier(file, read_foreign(file, Asked.read(f"{SPEC},{spec}", labels)))


def test_several_labels_have_a_threshold_each():
    found, said = meaning("LOGISTIC", "task=multi-label,thresholds=0.3/0.5/0.4/0.2")
    assert found == Meaning("sigmoid", "multi-label", (0.3, 0.5, 0.4, 0.2)) and not said
    assert meaning("LOGISTIC", "task=Multi-Label,thresholds=0.3")[0].thresholds == (0.3,) * 4
    found, said = meaning("LOGISTIC", "task=multi-label")
    assert found.thresholds == (0.5,) * 4 and "from a probability of 0.5 on" in said[0]


def test_one_class_has_none():
    assert meaning("SOFTMAX")[0] == Meaning("softmax", "multi-class", ())
    assert meaning("LOGISTIC", count=1)[0] == Meaning("sigmoid", "multi-class", ())
    found, said = meaning("LOGISTIC", "task=multi-class")
    assert found == Meaning("sigmoid", "multi-class", ()) and "do not add up to 1" in said[0]


def test_logits_of_several_labels_are_those_of_sigmoids():
    found, said = meaning("FULLY_CONNECTED", "task=multi-label")
    assert found.end == "logits" and "in no sigmoid" in said[0] and "FULLY_CONNECTED" in said[0]
    assert meaning("FULLY_CONNECTED", "task=multi-label,scores=probabilities")[0].end == "probabilities"


@pytest.mark.parametrize(
    ("maker", "spec", "said"),
    [
        ("LOGISTIC", "", "Whether an image may have several.*task=multi-label, or task=multi-class"),
        ("SOFTMAX", "task=multi-label", "share 1 among the classes"),
        ("LOGISTIC", "task=multi-class,thresholds=0.5", "required by thresholds"),
        ("SOFTMAX", "thresholds=0.5", "required by thresholds"),
        ("LOGISTIC", "task=multi-label,thresholds=0.5/0.4", "each of 4 labels.*Got: 2"),
        ("LOGISTIC", "task=several", "One of multi-class, multi-label"),
        ("LOGISTIC", "task=multi-label,thresholds=1.5", "from 0 to 1"),
    ],
)
def test_what_is_open_or_contradicts_is_a_sentence(maker, spec, said):
    with pytest.raises(SettingError, match=said):
        meaning(maker, spec)


@pytest.mark.parametrize(("name", "tolerance"), [("sigmoids", 1e-6), ("sigmoids-int8", 0.02)])
def test_scores_are_those_of_the_interpreter_and_answers_reach_their_thresholds(foreign, phantoms, name, tolerance):
    from ai_edge_litert.interpreter import Interpreter

    thresholds = np.array([0.3, 0.5, 0.7, 0.2])
    classifier = opened(foreign, name, "task=multi-label,thresholds=0.3/0.5/0.7/0.2")
    paths = sorted(phantoms.parent.rglob("*.png"))[::5]
    pixels = np.array([classifier.card.preprocess.pixels(path) for path in paths])
    scores = classifier.scores(pixels)
    # Logits of the same network, whose sigmoids they are.
    engine = Interpreter(str(foreign / "logits.tflite"), num_threads=1)
    engine.allocate_tensors()
    for image, found in zip(pixels, scores, strict=True):
        engine.set_tensor(
            engine.get_input_details()[0]["index"], ((image - np.float32(127.5)) / 127.5)[None].astype(np.float32)
        )
        engine.invoke()
        logits = engine.get_tensor(engine.get_output_details()[0]["index"])[0].astype(np.float64)
        np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)), atol=max(tolerance, 0.1 if "int8" in name else 0))
    answers = classifier.rule.answers(scores)
    np.testing.assert_array_equal(answers, scores >= thresholds)
    counts = answers.sum(1)
    assert counts.min() < counts.max(), "none, one and several labels are answers"
    label = classifier.predict(paths[0]).label
    assert label == ";".join(np.array(LABELS.split(","))[answers[0]])


def test_logits_are_made_probabilities_of_their_own(foreign, phantoms):
    path = next(phantoms.parent.rglob("*.png"))
    several, logits = (opened(foreign, name, "task=multi-label") for name in ("sigmoids", "logits"))
    pixels = several.card.preprocess.pixels(path)[None]
    np.testing.assert_allclose(several.scores(pixels), logits.scores(pixels), atol=1e-5)


def test_a_single_score_may_be_that_of_one_label(foreign):
    classifier = opened(foreign, "single", "task=multi-label", "finding")
    assert classifier.card.labels == ("finding",)
    assert classifier.scores(np.zeros((1, 48, 48, 3), np.uint8)).shape == (1, 1)
    with pytest.raises(FreezenetError, match="1 label is required"):
        opened(foreign, "single", "task=multi-label", "no,yes")
