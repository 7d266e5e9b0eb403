"""Wrong ports: each breaks one rule of docs/port.md, and each fails at least one golden picture or decision.

A port that is right in all but one thing is what a developer hands in, and what the golden vectors of a single easy kind let through.
"""

from __future__ import annotations

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from freezenet.convert.package.golden_decisions import golden_decisions
from freezenet.convert.package.golden_pictures import area_means, golden_images
from freezenet.edge_runtime.decision import NOT_CHEST, UNCERTAIN, Decision, DecisionRule
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.integrity.answers import compare
from freezenet.edge_runtime.ood import single_gates

SIZES = [(224, 224), (96, 96), (64, 96)]


def right_gray(data: bytes) -> np.ndarray:
    return (
        PreprocessSpec(size=(32, 32)).decode(data)
        if data[:2] != b"\xff\xd8"
        else cv2.imdecode(buffer(data), cv2.IMREAD_GRAYSCALE)
    )


def buffer(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


def bilinear(data, size):
    return cv2.resize(right_gray(data), size[::-1], interpolation=cv2.INTER_LINEAR)


def pillow(kind):
    def resized(data, size):
        return np.asarray(Image.fromarray(right_gray(data)).resize(size[::-1], kind))

    return resized


def canvas_low(data, size):
    """Halved while twice too large, then bilinear, as canvases smooth."""
    image = right_gray(data)
    while min(image.shape[0] / size[0], image.shape[1] / size[1]) >= 2:
        image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR_EXACT)


def area(rounded):
    def resized(data, size):
        image = right_gray(data)
        if image.shape[0] < size[0] or image.shape[1] < size[1]:
            return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
        return rounded(area_means(image, size)).astype(np.uint8)

    return resized


def enlarged_by(interpolation):
    def resized(data, size):
        image = right_gray(data)
        larger = image.shape[0] < size[0] or image.shape[1] < size[1]
        return cv2.resize(image, size[::-1], interpolation=interpolation if larger else cv2.INTER_AREA)

    return resized


def cropped(data, size):
    """The proportions kept: the middle square."""
    image = right_gray(data)
    side = min(image.shape[0] / size[0], image.shape[1] / size[1])
    height, width = round(side * size[0]), round(side * size[1])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return cv2.resize(image[top : top + height, left : left + width], size[::-1], interpolation=cv2.INTER_AREA)


def of_colors(change):
    """Colours of the decoder, changed, then gray and the right resize."""

    def resized(data, size):
        image = cv2.imdecode(buffer(data), cv2.IMREAD_COLOR)
        return PreprocessSpec(size=size).resized(np.asarray(change(image.astype(np.float64)), np.uint8))

    return resized


def luma(image, weights=(0.114, 0.587, 0.299)):
    return np.rint(image @ np.array(weights))


def exif_ignored(data, size):
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    gray = cv2.imdecode(buffer(data), flags) if data[:2] == b"\xff\xd8" else right_gray(data)
    return PreprocessSpec(size=size).resized(gray)


def turned_the_other_way(data, size):
    image = Image.open(io.BytesIO(data))
    gray = right_gray(data)
    return PreprocessSpec(size=size).resized(np.rot90(gray, 2).copy() if image.getexif().get(0x0112) == 6 else gray)


def gamma_applied(data, size):
    gray = right_gray(data)
    if "gamma" in Image.open(io.BytesIO(data)).info:
        gray = np.rint(255 * (gray / 255) ** (1 / 2.2)).astype(np.uint8)
    return PreprocessSpec(size=size).resized(gray)


def gray_of_a_bitmap(data, size):
    """A colour JPEG through colours, as a canvas and a bitmap hand it out."""
    if data[:2] != b"\xff\xd8":
        return PreprocessSpec(size=size).pixels(data)
    return PreprocessSpec(size=size).resized(
        cv2.cvtColor(cv2.imdecode(buffer(data), cv2.IMREAD_COLOR), cv2.COLOR_BGR2GRAY)
    )


PIXELS = {
    "bilinear": bilinear,
    "Pillow box": pillow(Image.Resampling.BOX),
    "Pillow bilinear": pillow(Image.Resampling.BILINEAR),
    "Pillow Lanczos": pillow(Image.Resampling.LANCZOS),
    "nearest": pillow(Image.Resampling.NEAREST),
    "canvas-like smoothing": canvas_low,
    "cut off": area(np.floor),
    "rounded up": area(np.ceil),
    "half up": area(lambda means: np.floor(means + 0.5)),
    "half down": area(lambda means: np.ceil(means - 0.5)),
    "enlarged bilinearly": enlarged_by(cv2.INTER_LINEAR),
    "enlarged to the nearest": enlarged_by(cv2.INTER_NEAREST),
    "enlarged by cubics": enlarged_by(cv2.INTER_CUBIC),
    "proportions kept": cropped,
    "BGR order": of_colors(lambda image: luma(image[..., ::-1])),
    "green alone": of_colors(lambda image: image[..., 1]),
    "mean of the colours": of_colors(lambda image: np.rint(image.mean(-1))),
    "weights of Rec. 709": of_colors(lambda image: luma(image, (0.0722, 0.7152, 0.2126))),
    "luminance cut off": of_colors(lambda image: np.floor(image @ np.array([0.114, 0.587, 0.299]))),
    "EXIF ignored": exif_ignored,
    "EXIF turned the other way": turned_the_other_way,
    "gamma applied": gamma_applied,
    "JPEG through colours": gray_of_a_bitmap,
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PIXELS)
def test_a_wrong_port_gives_other_pixels(name, size):
    spec = PreprocessSpec(size=size)
    wrong = [
        picture
        for picture, data in golden_images(spec).items()
        if not np.array_equal(PIXELS[name](data, size), spec.pixels(data))
    ]
    assert wrong != [], f"{name} passes all golden pictures"


def test_the_right_port_gives_the_same_pixels():
    """The pieces that the wrong ports are made of are right where nothing is broken."""
    spec = PreprocessSpec(size=(96, 96))
    for data in golden_images(spec).values():
        np.testing.assert_array_equal(spec.resized(right_gray(data)), spec.pixels(data))
        if data[:2] != b"\xff\xd8":
            image = Image.open(io.BytesIO(data))
            np.testing.assert_array_equal(spec.resized(np.asarray(to_luma(image))), spec.pixels(data))


def to_luma(image: Image.Image) -> np.ndarray:
    return luma(np.asarray(image.convert("RGB"))[..., ::-1].astype(np.float64)).astype(np.uint8)


def decision(rule, scores, features, **changed):
    """The right decision, but for what `changed` says."""
    rule = replace(rule, **changed)
    return rule.decide(np.array(scores), None if features is None else np.array(features))


def no_floor(rule, scores, features):
    return decision(rule, scores, features, smallest_score=1e-300)


def another_floor(rule, scores, features):
    return decision(rule, scores, features, smallest_score=1 / 256)


def no_gate(rule, scores, features):
    return decision(rule, scores, features, gate=None)


def no_temperature(rule, scores, features):
    return decision(rule, scores, features, temperature=None)


def temperature_upside_down(rule, scores, features):
    return decision(rule, scores, features, temperature=rule.temperature and 1 / rule.temperature)


def no_abstention(rule, scores, features):
    return decision(rule, scores, features, abstain_below=0.0, class_abstain_below=None)


def uncertain_at_the_threshold(rule, scores, features):
    """`<=` where `<` is right."""
    return decision(
        rule, scores, features, abstain_below=np.nextafter(rule.abstain_below, 1) if rule.abstain_below else 0.0
    )


def no_threshold_of_the_class(rule, scores, features):
    """A port from before abstention by class."""
    return decision(rule, scores, features, class_abstain_below=None)


def the_strictest_threshold_for_all(rule, scores, features):
    by_class = rule.class_abstain_below
    return decision(
        rule, scores, features, class_abstain_below=None if by_class is None else np.full_like(by_class, by_class.max())
    )


def threshold_of_the_first_class(rule, scores, features):
    by_class = rule.class_abstain_below
    return decision(
        rule, scores, features, class_abstain_below=None if by_class is None else np.full_like(by_class, by_class[0])
    )


def strictest_of_class_and_common(rule, scores, features):
    by_class = rule.class_abstain_below
    return decision(
        rule,
        scores,
        features,
        class_abstain_below=None if by_class is None else np.maximum(by_class, rule.abstain_below),
    )


def no_common_threshold_beside_those_of_classes(rule, scores, features):
    """0 where a class has none, in place of the common threshold."""
    by_class = rule.class_abstain_below
    common = None if by_class is None else np.where(by_class == rule.abstain_below, 0.0, by_class)
    return decision(rule, scores, features, class_abstain_below=common)


def uncertain_at_the_threshold_of_the_class(rule, scores, features):
    by_class = rule.class_abstain_below
    return decision(rule, scores, features, class_abstain_below=None if by_class is None else np.nextafter(by_class, 1))


def refused_at_the_threshold(rule, scores, features):
    """`<` where `<=` is right, and `>` where `>=` is."""
    found = decision(rule, scores, features)
    at = any(score == one.threshold for score, one in zip(found.ood, single_gates(rule.gate), strict=True))
    return replace(found, label=None, reason=NOT_CHEST) if at else found


def labels_above_their_thresholds(rule, scores, features):
    """`>` where `>=` is right."""
    return decision(
        rule, scores, features, thresholds=None if rule.thresholds is None else np.nextafter(rule.thresholds, 1)
    )


def abstention_first(rule, scores, features):
    found = decision(rule, scores, features, gate=None)
    return (
        replace(decision(rule, scores, features), label=None, reason=UNCERTAIN)
        if found.reason
        else decision(rule, scores, features)
    )


def one_gate_is_enough(rule, scores, features):
    gates = single_gates(rule.gate)
    passed = any(one.passes(np.array(features)) for one in gates) if gates else True
    found = decision(rule, scores, features)
    open_rule = decision(rule, scores, features, gate=None)
    return replace(open_rule, ood=found.ood) if passed else found


def triangle_by_columns(rule, scores, features):
    found = decision(rule, scores, features)
    (gate, *more) = [*single_gates(rule.gate), None]
    if more == [None] and hasattr(gate, "whitening"):
        rows, columns = gate.whitening.shape
        packed = gate.whitening[np.triu_indices(rows, m=columns)]
        other = np.zeros((columns, rows))
        other[np.tril_indices(columns, m=rows)] = packed
        return decision(rule, scores, features, gate=replace(gate, whitening=other.T))
    return found


def the_last_of_equals(rule, scores, features):
    found = decision(rule, scores, features)
    if rule.thresholds is not None or found.reason:
        return found
    last = len(scores) - 1 - int(np.argmax(found.probabilities[::-1]))
    return replace(found, label=rule.labels[last])


def only_the_most_probable_label(rule, scores, features):
    return decision(rule, scores, features, thresholds=None)


def certainty_of_the_labels_alone(rule, scores, features):
    found = decision(rule, scores, features, abstain_below=0.0, class_abstain_below=None)
    chosen = found.probabilities[rule.chosen(found.probabilities)]
    sure = found.reason is not None or chosen.size == 0 or chosen.max() >= rule.abstain_below
    return found if sure else replace(found, label=None, reason=UNCERTAIN)


def no_bias(rule, scores, features):
    """A port from before localized models."""
    return decision(rule, scores, features, bias=None)


def bias_before_the_temperature(rule, scores, features):
    scaled = None if rule.bias is None else rule.bias / rule.temperature
    return decision(rule, scores, features, bias=scaled)


def bias_as_a_factor(rule, scores, features):
    """p times (1 + bias), where exp(bias) is right."""
    factor = None if rule.bias is None else np.log(np.maximum(1 + rule.bias, 1e-9))
    return decision(rule, scores, features, bias=factor)


def no_probability_of_its_own(rule, scores, features):
    """A port from before localized models: the most probable label."""
    return decision(rule, scores, features, answer_from=None)


def answered_above_its_own_probability(rule, scores, features):
    """`>` where `>=` is right."""
    return decision(
        rule, scores, features, answer_from=None if rule.answer_from is None else np.nextafter(rule.answer_from, 1)
    )


def own_probability_only_holds_back(rule, scores, features):
    """A label below its own probability is left out, but one that reaches it does not go before the others."""
    return chosen_by(rule, scores, features, lambda shares, own: np.where(shares < own, -1.0, shares))


def own_probability_never_holds_back(rule, scores, features):
    """A label that reaches its own probability goes first, but one below it is answered where it is the most probable."""
    return chosen_by(rule, scores, features, lambda shares, own: np.where(shares >= own, shares + 1, shares))


def farthest_above_its_own_probability(rule, scores, features):
    return chosen_by(
        rule, scores, features, lambda shares, own: np.where(shares >= own, 2 + shares - own, own_ranks(shares, own))
    )


def the_first_that_reaches_its_own(rule, scores, features):
    return chosen_by(rule, scores, features, lambda shares, own: np.where(shares >= own, 2.0, own_ranks(shares, own)))


def uncertain_where_none_reaches_its_own(rule, scores, features):
    found = decision(rule, scores, features)
    if rule.answer_from is None or found.reason:
        return found
    own = rule.answer_from
    left = (found.probabilities >= own) | np.isnan(own)
    return found if left.any() else replace(found, label=None, reason=UNCERTAIN)


def certainty_of_the_most_probable(rule, scores, features):
    """The largest probability, where that of the label that is answered is right."""
    found = decision(rule, scores, features, abstain_below=0.0, class_abstain_below=None)
    if rule.thresholds is not None or found.reason:
        return decision(rule, scores, features)
    at = rule.labels.index(found.label)
    least = rule.abstain_below if rule.class_abstain_below is None else rule.class_abstain_below[at]
    return found if found.probabilities.max() >= least else replace(found, label=None, reason=UNCERTAIN)


def threshold_of_the_most_probable(rule, scores, features):
    """The abstention of the most probable label, where that of the label that is answered is right."""
    found = decision(rule, scores, features, abstain_below=0.0, class_abstain_below=None)
    if rule.thresholds is not None or found.reason:
        return decision(rule, scores, features)
    by_class = rule.class_abstain_below
    least = rule.abstain_below if by_class is None else by_class[found.probabilities.argmax()]
    sure = found.probabilities[rule.labels.index(found.label)] >= least
    return found if sure else replace(found, label=None, reason=UNCERTAIN)


def own_ranks(shares, own):
    """Labels without a probability of their own before those that do not reach theirs."""
    return np.where(np.isnan(own), 1 + shares, shares) - 1


def chosen_by(rule, scores, features, strength):
    """The right decision, but that the strongest label is chosen."""
    if rule.answer_from is None:
        return decision(rule, scores, features)
    shares = rule.probabilities(np.array(scores))
    with np.errstate(invalid="ignore"):
        at = int(np.argmax(strength(shares, rule.answer_from)))
    # The chosen label is the only one that goes before others.
    return decision(rule, scores, features, answer_from=np.where(np.arange(len(shares)) == at, 0.0, np.nan))


RULES = [
    no_floor, another_floor, no_gate, no_temperature, temperature_upside_down, no_abstention, uncertain_at_the_threshold,
    no_threshold_of_the_class, the_strictest_threshold_for_all, threshold_of_the_first_class, strictest_of_class_and_common,
    no_common_threshold_beside_those_of_classes, uncertain_at_the_threshold_of_the_class,
    refused_at_the_threshold, labels_above_their_thresholds, abstention_first, one_gate_is_enough, triangle_by_columns,
    the_last_of_equals, only_the_most_probable_label, certainty_of_the_labels_alone,
    no_bias, bias_before_the_temperature, bias_as_a_factor, no_probability_of_its_own, answered_above_its_own_probability,
    own_probability_only_holds_back, own_probability_never_holds_back, farthest_above_its_own_probability,
    the_first_that_reaches_its_own, uncertain_where_none_reaches_its_own, certainty_of_the_most_probable, threshold_of_the_most_probable,
]  # fmt: skip


def holds(port, golden) -> bool:
    rule = DecisionRule.from_dict(golden["rule"], tuple(golden["rule"]["labels"]))
    found: Decision = port(rule, golden["scores"], golden["features"])
    answer = golden["answer"]
    shares = [answer["probabilities"][label] for label in rule.labels]
    same = (found.label, found.reason) == (answer["label"], answer["reason"])
    readings = [one["score"] for one in answer["ood"]]
    near = len(readings) == len(found.ood) and np.allclose(found.ood, readings, rtol=1e-5)
    return same and near and np.allclose(found.probabilities, shares, atol=1e-6, rtol=0)


@pytest.mark.parametrize("port", RULES, ids=lambda port: port.__name__)
def test_a_wrong_rule_gives_another_answer(port):
    card = {
        "labels": ["x", "y", "z"],
        "arithmetic": "integer",
        "confidence": {"temperature": 1.5, "abstain_below": 0.8},
    }
    assert not all(holds(port, golden) for golden in golden_decisions(card))


def test_the_right_rule_gives_the_same_answers():
    card = {
        "labels": ["x", "y", "z"],
        "arithmetic": "integer",
        "confidence": {"temperature": 1.5, "abstain_below": 0.8},
    }
    for golden in golden_decisions(card):
        assert holds(decision, golden)
        rule = DecisionRule.from_dict(golden["rule"], tuple(golden["rule"]["labels"]))
        scores = np.array(golden["scores"])
        assert compare(decision(rule, scores, golden["features"]), rule, golden["answer"], scores).equal


def test_a_constant_picture_is_recorded_as_refused(models):
    """The one rule that needs a picture: nothing to see."""
    from freezenet.edge_runtime.card import ModelCard

    vectors = {one["image"]: one for one in ModelCard.read(models / "int8.tflite").golden}
    assert vectors["golden-constant.png"]["answer"]["reason"] == NOT_CHEST
    assert vectors["golden-half.png"]["answer"]["reason"] is None


#: A key of a card's "confidence" that a port from before it would not know, and whether its port ignores it.
LATER = {"abstain_below_class": no_threshold_of_the_class, "bias": no_bias, "answer_from": no_probability_of_its_own}


@pytest.mark.parametrize("key", LATER)
def test_a_port_that_ignores_a_later_key_fails_by_the_own_rule_of_the_model_too(key):
    """Not only by a decision with an invented rule: by those that were made of the very card."""
    confidence = {
        "temperature": 1.5,
        "abstain_below": 0.6,
        key: {"y": {"abstain_below_class": 0.8, "bias": 1.2, "answer_from": 0.2}[key]},
    }
    card = {"labels": ["x", "y", "z"], "arithmetic": "integer", "confidence": confidence}
    own = [one for one in golden_decisions(card) if one["name"].startswith("own rule")]
    assert own and all(holds(decision, one) for one in own)
    assert not all(holds(LATER[key], one) for one in own)
