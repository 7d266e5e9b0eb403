"""The Kotlin core, compiled and run on a JVM, gives what the edge runtime gives."""

from __future__ import annotations

import base64
import json

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.images.overlay import overlay
from freezenet.edge_runtime.images.preprocess import PreprocessSpec, pixel_hash
from tests.convert.app.test_core import FILES, LABELS, MAPPED, WITH_INTEGER_ENDS, picture, rules, warned_cards

#: Kinds of file that neither ImageIO reads as Android would nor a bitmap can hold.
NOT_ON_A_BITMAP = ("bits", "alpha", "key", "palette alpha", "png exif", "png 12")


def text(array) -> str:
    return base64.b64encode(np.ascontiguousarray(array, np.uint8).tobytes()).decode()


@pytest.mark.parametrize("size", [(64, 64), (96, 224), (300, 200)])
def test_pixels_of_files_are_equal_to_the_bit(ask_kotlin, tmp_path, size):
    files = [(name, data) for name, data in FILES if not any(word in name for word in NOT_ON_A_BITMAP)]
    jobs = []
    for number, (_, data) in enumerate(files):
        (tmp_path / str(number)).write_bytes(data)
        jobs.append({"task": "pixels", "file": str(tmp_path / str(number)), "size": size})
    spec = PreprocessSpec(size=size)
    answers = ask_kotlin(*jobs)
    wrong = {
        name: found
        for (name, data), found in zip(files, answers, strict=True)
        if found != pixel_hash(spec.pixels(data))
    }
    assert wrong == {}
    assert len(files) > 25


def test_damaged_files_are_refused(ask_kotlin, tmp_path):
    data = dict(FILES)["jpeg color 4:2:0 progressive True"]
    for number, part in enumerate((0.3, 0.6, 0.95)):
        (tmp_path / str(number)).write_bytes(data[: int(len(data) * part)])
    answers = ask_kotlin(*({"task": "pixels", "file": str(tmp_path / str(one)), "size": [64, 64]} for one in range(3)))
    assert all("DamagedJpeg" in answer["error"] for answer in answers)


def test_resizing_is_equal_to_the_bit(ask_kotlin):
    rng, jobs, expected = np.random.default_rng(5), [], []
    sides = [(40, 40), (64, 32), (32, 64), (33, 64), (31, 90), (49 * 32, 33), (96, 96), (100, 37), (400, 41), (16, 200)]
    for height, width in [*sides, *rng.integers(20, 200, (20, 2)).tolist()]:
        image = rng.integers(0, 256, (height, width), np.uint8)
        jobs.append({"task": "resize", "data": text(image), "width": width, "height": height, "size": [32, 40]})
        expected.append(text(PreprocessSpec(size=(32, 40)).resized(image)))
    assert ask_kotlin(*jobs) == expected


def test_decisions_are_the_same(ask_kotlin):
    rng, jobs, expected = np.random.default_rng(7), [], []
    for card in rules(rng):
        rule = DecisionRule.from_dict(card, LABELS)
        tables = [rng.dirichlet([0.5] * 3), np.array([1.0, 0, 0]), np.array([0.25, 0.5, 0.25]), np.array([0, 0, 0.5])]
        for scores in [*tables, *rng.integers(0, 257, (4, 3)) / 256]:
            scores, features = scores.astype(np.float32), rng.normal(size=6).astype(np.float32)
            job = {"task": "decide", "card": card, "pixels": text([1, 2])}
            jobs.append({**job, "scores": scores.tolist(), "features": features.tolist()})
            expected.append(rule.decide(scores, features))
    for answer, decision in zip(ask_kotlin(*jobs), expected, strict=True):
        assert (answer["label"], answer["reason"]) == (decision.label, decision.reason)
        np.testing.assert_allclose(answer["probabilities"], decision.probabilities, atol=1e-9)
        np.testing.assert_allclose(answer["ood"], decision.ood, rtol=1e-9)


def test_what_the_card_warns_of_and_whose_map_is_shown(ask_kotlin):
    cards, sentences = zip(*warned_cards(), strict=True)
    jobs = [{"task": "mapped", "card": cards[0], "answer": {"label": a, "probabilities": b}} for a, b, _ in MAPPED]
    found = ask_kotlin(*({"task": "warnings", "card": card} for card in cards), *jobs)
    assert found == [*sentences, *(place for _, _, place in MAPPED)]


def test_the_overlay_is_that_of_the_edge_runtime(ask_kotlin):
    rng = np.random.default_rng(4)
    gray, cam = picture(120, 90, channels=1)[..., 0], rng.normal(size=(7, 7, 3)).astype(np.float32)
    job = {"task": "overlay", "data": text(gray), "width": 90, "height": 120, "label": 1}
    (answer,) = ask_kotlin({**job, "cam": cam.ravel().tolist(), "shape": cam.shape})
    colors = np.array(answer, np.int64).reshape(120, 90)
    mine = np.stack([colors & 255, (colors >> 8) & 255, (colors >> 16) & 255], -1)
    difference = np.abs(mine - overlay(gray, cam[..., 1]))
    assert difference.max() <= 4 and (difference > 1).mean() < 0.001


def test_a_photographed_film_is_straightened_as_in_the_web_app(ask_kotlin, ask):
    film = cv2.GaussianBlur(picture(200, 150, channels=1)[..., 0], (0, 0), 3)
    corners = [[20, 14], [130, 25], [120, 180], [12, 170]]
    job = {"task": "straighten", "width": 150, "height": 200, "corners": corners}
    inwards = {"task": "inside", "corners": corners, "share": 0.005}
    mine, moved = ask_kotlin({**job, "data": text(film)}, inwards)
    other, also = ask({**job, "data": film.ravel().tolist(), "longest": 2048}, inwards)
    np.testing.assert_allclose(moved, also)
    assert (mine["width"], mine["height"]) == (other["width"], other["height"])
    one = np.frombuffer(base64.b64decode(mine["data"]), np.uint8).astype(int)
    assert np.abs(one - other["data"]).max() <= 1


def test_a_model_with_integer_ends_is_refused(ask_kotlin):
    """Its numbers would be taken for scores."""
    card = {"card_version": 1, "labels": list(LABELS), "preprocess": PreprocessSpec().to_dict()}
    job = {"task": "decide", "pixels": text([1, 2]), "scores": [0.1, 0.2, 0.7]}
    read, *refused = ask_kotlin(*({**job, "card": {**card, **ends}} for ends in ({}, *WITH_INTEGER_ENDS)))
    assert read["label"] == LABELS[2] and all("--io pixels" in one["error"] for one in refused)


def test_the_golden_vectors_of_a_model(ask_kotlin, phone_model):
    """Pictures, hashes, answers and decisions by Kotlin; the network's outputs by this package, because no APK is built here."""
    classifier = Classifier(phone_model)
    spec, outputs = classifier.card.preprocess, {}
    for vector in classifier.card.golden:
        pixels = spec.pixels(classifier.file.associated(vector["image"]))
        found = classifier.interpreter.invoke(spec.network_input(pixels, np.uint8))
        named = dict(zip(classifier.card.content["outputs"], found, strict=True))
        outputs[vector["image"]] = {"scores": named["scores"][0].tolist(), "features": named["features"][0].tolist()}
    job = {"task": "check", "model": str(phone_model), "outputs": outputs}
    spoiled = json.loads(json.dumps(outputs))
    spoiled["golden-color.png"]["scores"][0] += 0.1
    good, bad = ask_kotlin(job, {**job, "outputs": spoiled})
    assert good == {"pictures": 9, "wrong": [], "decisions": []}
    assert bad["wrong"] == ["golden-color.png"]


def test_a_card_belongs_to_its_network_alone(ask_kotlin, ask, phone_model, tmp_path):
    card = Classifier(phone_model).card.content
    content = bytearray(phone_model.read_bytes())
    content[len(content) // 3] ^= 1
    (tmp_path / "other.tflite").write_bytes(content)
    (tmp_path / "short.tflite").write_bytes(content[:100])
    earlier = {key: value for key, value in card.items() if key != "network"}
    models = (phone_model, tmp_path / "other.tflite", tmp_path / "short.tflite")
    jobs = [{"task": "belongs", "card": card, "model": str(model)} for model in models]
    jobs.append({"task": "belongs", "card": earlier, "model": str(models[1])})
    assert ask_kotlin(*jobs) == ask(*jobs) == [True, False, False, True]


def test_xrays_and_other_pictures(ask_kotlin, phone_model, shared):
    """60 chest X-rays and 20 other pictures: pixels by Kotlin, and its answers of the scores that this package gets of them."""
    classifier = Classifier(phone_model)
    spec, content = classifier.card.preprocess, dict(classifier.card.content)
    xrays = sorted((shared / "data" / "cxr").rglob("*.jpg"))
    others = sorted((shared / "data" / "not-cxr").rglob("*.jpg"))
    jobs, hashes, expected = [], [], []
    for file in [*xrays[:: len(xrays) // 60][:60], *others[::7][:20]]:
        pixels = spec.pixels(file)
        found = classifier.interpreter.invoke(spec.network_input(pixels, np.uint8))
        named = dict(zip(content["outputs"], found, strict=True))
        job = {"scores": named["scores"][0].tolist(), "features": named["features"][0].tolist(), "pixels": text(pixels)}
        jobs += [{"task": "pixels", "file": str(file), "size": spec.size}, {"task": "decide", "card": content, **job}]
        hashes.append(pixel_hash(pixels))
        expected.append(classifier.predict(file))
    answers = ask_kotlin(*jobs)
    assert answers[::2] == hashes
    for answer, prediction in zip(answers[1::2], expected, strict=True):
        assert (answer["label"], answer["reason"]) == (prediction.label, prediction.reason)
        np.testing.assert_allclose(answer["probabilities"], list(prediction.probabilities.values()), atol=1e-9)
