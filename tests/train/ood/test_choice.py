"""The gate that is chosen and what is said of it, against scikit-learn, by hand, and on real images of an unseen kind."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from freezenet.edge_runtime.ood import BothGates, LogisticGate, OneClassGate
from freezenet.train.frozen.backbone import backbone_features
from freezenet.train.network.model import build_model
from freezenet.train.ood.choice import auroc, choose_ood_gate, measure_ood_gate, suspicion
from freezenet.train.recipes.recipe import load_recipe


def cloud(count: int, shift=0.0, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(count, 4)) + shift).astype(np.float32)


PATIENTS = [str(number // 2) for number in range(60)]


def test_without_negatives_it_is_the_one_class_gate_and_its_figures_stay():
    gate = choose_ood_gate(cloud(200), cloud(60, seed=1))
    assert isinstance(gate, OneClassGate)
    found = measure_ood_gate(gate, validation=cloud(60, seed=1), test=cloud(60, seed=2), patients=PATIENTS)
    assert set(found) == {"kind", "threshold", "chest_passed"}
    assert found["kind"] == "one-class"
    passed = np.mean([gate.score(one) <= gate.threshold for one in cloud(60, seed=2)])
    assert found["chest_passed"]["value"] == pytest.approx(passed, abs=1e-6)


def test_with_negatives_either_of_two_gates_refuses():
    taught, unseen = cloud(40, [6, 0, 0, 0], seed=3), cloud(40, [-9, 0, 0, 0], seed=4)
    gate = choose_ood_gate(cloud(200), cloud(60, seed=1), taught)
    one_class, logistic = gate.gates
    assert (type(gate), type(one_class), type(logistic)) == (BothGates, OneClassGate, LogisticGate)
    # The other way round from what it was shown is, to the logistic gate, a chest X-ray beyond all doubt.
    assert all(logistic.passes(one) for one in unseen)
    assert not any(gate.passes(one) for one in unseen)
    found = measure_ood_gate(
        gate, validation=cloud(60, seed=1), test=cloud(60, seed=2), patients=PATIENTS, negatives=unseen
    )
    assert found["negatives"] == 40
    assert found["negatives_refused"]["value"] == 1
    assert [part["negatives_refused"]["value"] for part in found["parts"]] == [1, 0]
    assert [part["kind"] for part in found["parts"]] == ["one-class", "logistic"]
    assert found["parts"][1]["auroc"]["value"] < 0.1 < 0.9 < found["auroc"]["value"]
    assert "threshold" not in found
    passed = [part["chest_passed"]["value"] for part in found["parts"]]
    assert found["chest_passed"]["value"] <= min(passed)


@pytest.mark.parametrize("ties", [False, True])
def test_area_is_that_of_scikit_learn(ties):
    rng = np.random.default_rng(0)
    near, far = rng.normal(size=60), rng.normal(size=45) + 1
    if ties:
        near, far = np.rint(near), np.rint(far)
    found = auroc(near, far, PATIENTS)
    assert found.value == pytest.approx(roc_auc_score([0] * 60 + [1] * 45, np.concatenate([near, far])))
    assert found.low < found.value < found.high
    # Hanley & McNeil 1982, equation 2: the standard error of an area of about .76 with 60 and 45 is about .05.
    assert 0.12 < found.high - found.low < 0.28


def test_without_an_error_the_interval_is_that_of_the_number_of_images():
    found = auroc(np.zeros(60), np.ones(12), PATIENTS)
    assert found.value == found.high == 1
    # Wilson's low end for 12 of 12.
    assert found.low == pytest.approx(12 / (12 + 1.959964**2))


def test_suspicion_counts_standard_deviations_and_the_worse_gate():
    gate = LogisticGate(np.array([1.0, 0, 0, 0]), 0.0, 0.5)
    validation = cloud(500, seed=1)
    shown = cloud(20, seed=2)
    expected = -(shown[:, 0] - validation[:, 0].mean()) / validation[:, 0].std(ddof=1)
    np.testing.assert_allclose(suspicion(gate, shown, validation), expected, rtol=1e-5)
    other = LogisticGate(np.array([0, -2.0, 0, 0]), 3.0, 0.5)
    both = suspicion(BothGates((gate, other)), shown, validation)
    np.testing.assert_array_equal(both, np.maximum(expected_of(gate, shown), expected_of(other, shown)))


def expected_of(gate, shown):
    return suspicion(gate, shown, cloud(500, seed=1))


def test_photographs_are_refused_by_a_gate_that_was_shown_none(shared):
    recipe = load_recipe("mobile-freezenet", ("alpha=0.35", "image_size=96"))
    model = build_model(recipe, ("a", "b"), str(shared / "weights" / "mobilenet_v2_imagenet_0.35_224_no_top.h5"))
    chests = sorted((shared / "data" / "cxr").rglob("*.jpg"))[::4]
    others = sorted((shared / "data" / "not-cxr").glob("*.jpg"))
    photos = np.array([path.name.startswith("photo_") for path in others])
    near, far = (backbone_features(model, np.stack([recipe.preprocess.pixels(path) for path in paths]), recipe.preprocess)
                 for paths in (chests, others))  # fmt: skip
    order = np.random.default_rng(0).permutation(len(near))
    train, validation, test = np.split(near[order], [150, 220])
    gate = choose_ood_gate(train, validation, far[~photos])
    found = measure_ood_gate(
        gate, validation=validation, test=test, patients=[str(n) for n in range(len(test))], negatives=far[photos]
    )
    one_class, logistic = (part["negatives_refused"]["value"] for part in found["parts"])
    assert found["negatives_refused"]["value"] >= one_class > 0.95
    assert logistic < 0.9
    assert found["chest_passed"]["value"] > 0.93
