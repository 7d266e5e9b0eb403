"""The app's JavaScript, run by Node without DOM, gives what the edge runtime gives."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from freezenet.convert.app import WEB
from freezenet.convert.package.card import NO_OOD_GATE
from freezenet.edge_runtime.decision import NOT_CHEST, Decision, DecisionRule
from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.gray import to_gray
from freezenet.edge_runtime.images.overlay import overlay
from freezenet.edge_runtime.images.preprocess import PreprocessSpec, pixel_hash
from freezenet.edge_runtime.ood import BothGates, LogisticGate, OneClassGate, ood_to_dict

LABELS = ("a", "b", "c")
ORIENTATION = 0x0112


def picture(height, width, seed=0, channels=3):
    """Smooth and sharp places in every channel."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 7, channels), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, channels)
    noise = rng.integers(-20, 21, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = number
    return exif


def jpegs():
    color = Image.fromarray(picture(181, 240))
    gray = color.convert("L")
    yield "gray", encoded(gray, "JPEG", quality=90)
    for sampling in ("4:4:4", "4:2:2", "4:2:0"):
        for progressive in (False, True):
            options = {"quality": 85, "subsampling": sampling, "progressive": progressive}
            yield f"color {sampling} progressive {progressive}", encoded(color, "JPEG", **options)
    yield "gray progressive", encoded(gray, "JPEG", progressive=True, quality=60)
    yield "restart", encoded(color, "JPEG", restart_marker_blocks=3)
    yield "own tables", encoded(color, "JPEG", optimize=True, quality=30)
    for number in range(1, 9):
        yield f"exif {number}", encoded(color, "JPEG", exif=turned(number))
    for side in (530, 1000, 1900):  # decoded at 1/2, 1/4 and 1/8 for an input of 64 pixels
        yield f"large {side}", encoded(Image.fromarray(picture(side, side + 33)), "JPEG", quality=95)
    rng = np.random.default_rng(1)
    yield "steep", encoded(Image.fromarray(rng.choice([0, 255], (97, 99)).astype(np.uint8)), "JPEG", quality=3)


def pngs():
    color, gray = picture(150, 211), picture(150, 211, channels=1)[..., 0]
    alpha = picture(150, 211, seed=3, channels=1)
    yield "gray", encoded(Image.fromarray(gray), "PNG")
    yield "color", encoded(Image.fromarray(color), "PNG")
    yield "alpha", encoded(Image.fromarray(np.concatenate([color, alpha], -1)), "PNG")
    yield "gray alpha", encoded(Image.fromarray(np.stack([gray, alpha[..., 0]], -1), "LA"), "PNG")
    yield "palette", encoded(Image.fromarray(color).quantize(17), "PNG")
    yield "palette alpha", encoded(Image.fromarray(color).quantize(9), "PNG", transparency=bytes(range(0, 252, 28)))
    yield "bilevel", encoded(Image.fromarray(gray).convert("1"), "PNG")
    yield "key", encoded(Image.fromarray(gray // 64 * 64), "PNG", transparency=128)
    yield "profile", encoded(Image.fromarray(color), "PNG", icc_profile=b"not looked at")
    for number in (3, 6):
        yield f"exif {number}", encoded(Image.fromarray(color), "PNG", exif=turned(number))
    for bits in (9, 12, 16):
        deep = (gray.astype(np.uint16) << (bits - 8)) + 3
        yield f"{bits} bits", cv2.imencode(".png", deep)[1].tobytes()
        stray = deep.copy()
        stray[0, :20] = 65535  # fewer than one in 1000
        yield f"{bits} bits, stray", cv2.imencode(".png", stray)[1].tobytes()
    deep = (color.astype(np.uint16) << 4) + 7
    yield "12 bits color", cv2.imencode(".png", deep)[1].tobytes()
    deep_alpha = np.concatenate([deep, alpha.astype(np.uint16) * 257], -1)
    yield "12 bits alpha", cv2.imencode(".png", deep_alpha)[1].tobytes()


FILES = [*(("jpeg " + name, data) for name, data in jpegs()), *(("png " + name, data) for name, data in pngs())]


@pytest.mark.parametrize("size", [(64, 64), (96, 224), (300, 200)])
def test_pixels_of_files_are_equal_to_the_bit(ask, tmp_path, size):
    spec, jobs = PreprocessSpec(size=size), []
    for number, (_, data) in enumerate(FILES):
        (tmp_path / str(number)).write_bytes(data)
        jobs.append({"task": "pixels", "file": str(tmp_path / str(number)), "size": size})
    answers = ask(*jobs)
    wrong = {
        name: answer
        for (name, data), answer in zip(FILES, answers, strict=True)
        if answer != {"sha256": pixel_hash(spec.pixels(data))}
    }
    assert wrong == {}


@pytest.mark.parametrize("name", ["jpeg color 4:2:0 progressive True", "jpeg restart", "png color"])
def test_truncated_files_are_refused(ask, tmp_path, name):
    data = dict(FILES)[name]
    for number, part in enumerate((0.3, 0.6, 0.95)):
        (tmp_path / str(number)).write_bytes(data[: int(len(data) * part)])
    answers = ask(*({"task": "pixels", "file": str(tmp_path / str(one)), "size": [64, 64]} for one in range(3)))
    assert all("A whole" in answer["error"] for answer in answers)


def test_sizes_that_the_reference_refuses_are_refused(ask, tmp_path):
    small, line = np.full((1, 1), 7, np.uint8), np.full((31, 5000), 7, np.uint8)
    for name, image in {"1.png": small, "2.jpg": small, "3.png": line, "4.jpg": line}.items():
        cv2.imwrite(str(tmp_path / name), image)
    (tmp_path / "5.png").write_bytes(png(200_000, 200_000, b""))
    (tmp_path / "6.png").write_bytes(png(0, 64, bytes(64)))
    files = sorted(tmp_path.iterdir())
    answers = ask(*({"task": "pixels", "file": str(file), "size": [64, 64]} for file in files))
    assert [("too small" in one["error"], "100 million" in one["error"]) for one in answers] == [
        (file.name[0] != "5", file.name[0] == "5") for file in files
    ]


def png(width, height, rows, depth=8):
    """A gray PNG file whose rows are these bytes, compressed."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    data = zlib.compress(rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_strange_png_files_are_read_as_the_reference_does(ask, tmp_path):
    """More data than the picture takes, up to what would fill a phone's memory, is left alone; other depths are refused."""
    gray = picture(64, 64, channels=1)[..., 0]
    rows = np.hstack([np.zeros((64, 1), np.uint8), gray]).tobytes()
    frames = [Image.fromarray(gray), Image.fromarray(255 - gray)]
    good = {
        "more": png(64, 64, rows + b"x" * 5000),
        "bomb": png(64, 64, rows + bytes(100_000_000)),
        "after": png(64, 64, rows) + b"x" * 100,
        "animated": encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=100),
    }
    bad = {"depth": png(64, 64, rows, depth=3), "sum": png(64, 64, rows)[:-20] + bytes(20)}
    for name, data in (good | bad).items():
        (tmp_path / name).write_bytes(data)
    spec = PreprocessSpec(size=(64, 64))
    answers = ask(*({"task": "pixels", "file": str(tmp_path / name), "size": [64, 64]} for name in good | bad))
    assert answers[: len(good)] == [{"sha256": pixel_hash(spec.pixels(data))} for data in good.values()]
    assert all("A whole PNG" in one["error"] for one in answers[len(good) :])
    for data in bad.values():
        with pytest.raises(DataError):
            spec.pixels(data)


def test_resizing_is_equal_to_the_bit(ask):
    rng, jobs, expected = np.random.default_rng(5), [], []
    sides = [(40, 40), (64, 32), (32, 64), (33, 64), (31, 90), (49 * 32, 33), (96, 96), (100, 37), (400, 41), (16, 200)]
    for height, width in [*sides, *rng.integers(20, 200, (20, 2)).tolist()]:
        image = rng.integers(0, 256, (height, width), np.uint8)
        jobs.append(
            {"task": "resize", "data": image.ravel().tolist(), "width": width, "height": height, "size": [32, 40]}
        )
        expected.append(PreprocessSpec(size=(32, 40)).resized(image).ravel().tolist())
    for job, answer, one in zip(jobs, ask(*jobs), expected, strict=True):
        assert answer == one, (job["height"], job["width"])


def test_gray_of_colors_and_of_a_plane(ask):
    rng = np.random.default_rng(2)
    rgb = rng.integers(0, 256, (5000, 1, 3), np.uint8)
    rgba = np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], -1)
    plane = rng.integers(0, 256, (4, 7), np.uint8)
    job = {"task": "plane", "data": plane.ravel().tolist(), "width": 5, "height": 4, "stride": 7}
    colors, rows = ask({"task": "rgba", "data": rgba.ravel().tolist()}, job)
    assert colors == to_gray(rgb[..., ::-1].copy()).ravel().tolist()
    assert rows == plane[:, :5].ravel().tolist()


def rules(rng):
    """Cards of all kinds of decision, those of localized models among them."""
    one_class = OneClassGate(rng.normal(size=6), np.triu(rng.normal(size=(4, 6))), 4.0)
    logistic = LogisticGate(rng.normal(size=6), 0.3, 0.4)
    for gate in (None, one_class, logistic, BothGates((one_class, logistic))):
        for task in ("multi-class", "multi-label"):
            for temperature in (None, 0.4, 2.5):
                localized = {"bias": {"b": 0.7, "c": -0.4}} if temperature else {}
                localized |= {"answer_from": {"a": 0.35, "c": 0.2}}
                by_class = {"abstain_below_class": {"b": 0.7, "c": 0.1}}
                kinds = (
                    ("integer", {}),
                    ("float", by_class),
                    ("integer", localized),
                    ("integer", by_class | localized),
                )
                for arithmetic, later in kinds:
                    yield {
                        "card_version": 1,
                        "labels": list(LABELS),
                        "preprocess": PreprocessSpec().to_dict(),
                        "task": task,
                        "arithmetic": arithmetic,
                        "confidence": {
                            "temperature": temperature,
                            "abstain_below": 0.5,
                            **(later if task == "multi-class" else {}),
                        },
                        **({"thresholds": {"a": 0.3}} if task == "multi-label" else {}),
                        **({"gate": ood_to_dict(gate)} if gate else {}),
                    }


def test_decisions_are_the_same(ask):
    rng, jobs, expected = np.random.default_rng(7), [], []
    for card in rules(rng):
        rule = DecisionRule.from_dict(card, LABELS)
        tables = [rng.dirichlet([0.5] * 3), np.array([1.0, 0, 0]), np.array([0.25, 0.5, 0.25]), np.array([0, 0, 0.5])]
        for scores in [*tables, *rng.integers(0, 257, (4, 3)) / 256]:
            scores, features = scores.astype(np.float32), rng.normal(size=6).astype(np.float32)
            jobs.append(
                {
                    "task": "decide",
                    "card": card,
                    "pixels": [1, 2],
                    "scores": scores.tolist(),
                    "features": features.tolist(),
                }
            )
            expected.append(rule.decide(scores, features))
    answers = ask(*jobs)
    for answer, decision in zip(answers, expected, strict=True):
        assert (answer["label"], answer["reason"]) == (decision.label, decision.reason)
        np.testing.assert_allclose(answer["probabilities"], decision.probabilities, atol=1e-9)
    seen = {answer["reason"] for answer in answers}
    assert seen == {None, "uncertain", NOT_CHEST}


def test_at_the_thresholds_the_answer_is_given(ask):
    """`<` and not `<=`: a confidence equal to the threshold is answered, and a distance equal to it passes."""
    gate = OneClassGate(np.zeros(1), np.ones((1, 1)), 2.0)
    card = {**next(rules(np.random.default_rng(0))), "gate": ood_to_dict(gate)}
    card["confidence"] = {"temperature": 1, "abstain_below": 0.5}
    job = {"task": "decide", "card": card, "pixels": [1, 2], "scores": [0.5, 0.25, 0.25], "features": [-2.0]}
    constant, farther, less = (
        {"pixels": [9, 9]},
        {"features": [2.0000002]},
        {"scores": [0.498046875, 0.25, 0.251953125]},
    )
    reasons = [one["reason"] for one in ask(job, job | constant, job | farther, job | less)]
    assert reasons == [None, NOT_CHEST, NOT_CHEST, "uncertain"]


def test_at_the_threshold_of_its_class_the_answer_is_given(ask):
    card = next(rules(np.random.default_rng(0)))
    card["confidence"] = {"temperature": 1, "abstain_below": 0.75, "abstain_below_class": {"b": 0.5}}
    job = {"task": "decide", "card": card, "pixels": [1, 2]}
    tables = ([0.25, 0.5, 0.25], [0.25, 0.49609375, 0.25390625], [0.125, 0.0, 0.875], [0.5, 0.25, 0.25])
    found = ask(*(job | {"scores": scores} for scores in tables))
    assert [(one["label"], one["reason"]) for one in found] == [
        ("b", None),
        (None, "uncertain"),
        ("c", None),
        (None, "uncertain"),
    ]


def test_a_localized_model_answers_from_the_probability_of_the_label_on(ask):
    card = next(rules(np.random.default_rng(0)))
    card["confidence"] = {"temperature": 1, "abstain_below": 0.3, "bias": {"c": 0.5}, "answer_from": {"b": 0.25}}
    rule = DecisionRule.from_dict(card, LABELS)
    tables = ([0.65, 0.35, 0.0], [0.74, 0.26, 0.0], [0.5, 0.5, 0.0], [0.2, 0.2, 0.6], [0.6, 0.0, 0.4])
    found = ask(*({"task": "decide", "card": card, "pixels": [1, 2], "scores": scores} for scores in tables))
    expected = [rule.decide(np.array(scores, np.float32)) for scores in tables]
    assert [(one["label"], one["reason"]) for one in found] == [(one.label, one.reason) for one in expected]
    assert [one.label for one in expected] == ["b", None, "b", "c", "c"]


def test_why_a_localized_model_prefers_a_less_probable_label(ask):
    """In words, of the decisions of the rule itself."""
    card = next(rules(np.random.default_rng(0)))
    card["confidence"] = {"temperature": 1, "abstain_below": 0.0, "answer_from": {"a": 0.75, "b": 0.25}}
    tables = ([0.5, 0.25, 0.25], [0.5, 0.125, 0.375], [0.875, 0.0625, 0.0625], [0.125, 0.5, 0.375])
    answers = ask(*({"task": "decide", "card": card, "pixels": [1, 2], "scores": scores} for scores in tables))
    words = ask(*({"task": "worded", "card": card, "answer": one} for one in answers))
    reasons = [
        "It is set to answer so from 25 % on, even where",
        "It is set to answer a, which is more probable, only from 75 %",
        "",
        "",
    ]
    for word, share, reason in zip(words, ("25 %", "38 %", "88 %", "50 %"), reasons, strict=True):
        assert word["why"].startswith(f"The model gives this {share}. ") and reason in word["why"]
        assert ("set to" in word["why"]) == bool(reason)
    assert [word["said"] for word in words] == ["b", "c", "a", "b"]


def test_class_thresholds_that_the_rule_would_not_follow_are_refused(ask):
    card = next(rules(np.random.default_rng(0)))
    keys = ("abstain_below_class", "bias", "answer_from")
    foreign = [card | {"confidence": {"temperature": 1, key: {"d": 0.5}}} for key in keys]
    sets = [card | {"task": "multi-label", "confidence": {"temperature": 1, key: {"a": 0.5}}} for key in keys]
    for one in (*foreign, *sets):
        (found,) = ask({"task": "decide", "card": one, "pixels": [1, 2], "scores": [1, 0, 0]})
        assert "Abstention by class" in found["error"]


WARNED = {
    "localized": {"sentence": "Thresholds were chosen on 40 labelled images of one place."},
    "sources": {"elsewhere": "a was learned from one source alone."},
}


def warned_cards():
    """Cards with what belongs beside every answer, and the sentences."""
    gate = {"gate": ood_to_dict(LogisticGate(np.ones(2), 0.0, 0.5))}
    plain = {key: value for key, value in next(rules(np.random.default_rng(0))).items() if key != "gate"}
    both = [WARNED["localized"]["sentence"], WARNED["sources"]["elsewhere"]]
    yield plain | gate | WARNED, both
    yield plain | gate | {"sources": {"elsewhere": ""}}, []
    yield plain | gate, []
    yield plain | WARNED, [*both, NO_OOD_GATE]


#: Label and probabilities of an answer, and the class whose map belongs to it.
MAPPED = [("a", [0.2, 0.7, 0.1], 0), ("b", [0.2, 0.7, 0.1], 1), (None, [0.2, 0.3, 0.5], 2), ("", [0.1, 0.2, 0.15], 1),
          ("a;b", [0.6, 0.7, 0.1], 1), ("c", [0.1, 0.1, 0.6], 2)]  # fmt: skip


def test_what_the_card_warns_of_and_whose_map_is_shown(ask):
    cards, sentences = zip(*warned_cards(), strict=True)
    assert ask(*({"task": "warnings", "card": card} for card in cards)) == list(sentences)
    jobs = [{"task": "mapped", "card": cards[0], "answer": {"label": a, "probabilities": b}} for a, b, _ in MAPPED]
    assert ask(*jobs) == [place for _, _, place in MAPPED]
    rule = DecisionRule.from_dict(cards[0], LABELS)
    assert [rule.mapped(Decision(a, np.array(b), None)) for a, b, _ in MAPPED] == [place for _, _, place in MAPPED]


def test_a_gate_without_features_and_an_unknown_card_are_refused(ask):
    card = {**next(rules(np.random.default_rng(0))), "gate": ood_to_dict(LogisticGate(np.ones(2), 0.0, 0.5))}
    job = {"task": "decide", "card": card, "pixels": [1, 2], "scores": [1, 0, 0]}
    other = {**card, "preprocess": {**card["preprocess"], "version": 1}}
    nan = {**card, "gate": None}
    first, second = ask(job, job | {"card": other})
    assert "features are required" in first["error"] and "export the app again" in second["error"]
    assert "Finite" in ask(job | {"card": nan, "scores": [None, "x", 0]})[0]["error"]


@pytest.mark.parametrize("shape", [(200, 160), (70, 90)])
def test_the_overlay_is_that_of_the_edge_runtime(ask, shape):
    rng = np.random.default_rng(4)
    gray, cam = picture(*shape, channels=1)[..., 0], rng.normal(size=(7, 7, 3)).astype(np.float32)
    job = {"task": "overlay", "data": gray.ravel().tolist(), "width": shape[1], "height": shape[0], "label": 1}
    (answer,) = ask({**job, "cam": cam.ravel().tolist(), "shape": cam.shape})
    mine = np.array(answer).reshape(*shape, 4)[..., :3].astype(int)
    difference = np.abs(mine - overlay(gray, cam[..., 1])[..., ::-1])
    assert (
        difference.max() <= 4 and (difference > 1).mean() < 0.001
    )  # one step of the colour map, where rounding differs


def test_a_photographed_film_is_straightened(ask):
    film = cv2.GaussianBlur(picture(200, 150, channels=1)[..., 0], (0, 0), 3)
    corners = np.array([[60, 40], [310, 70], [280, 350], [40, 330]], np.float32)
    own = np.array([[0, 0], [150, 0], [150, 200], [0, 200]], np.float32)
    # cv2 counts from the centres of pixels, corners are edges.
    move = cv2.getPerspectiveTransform(own - 0.5, corners - 0.5)
    photo = cv2.warpPerspective(film, move, (360, 400), flags=cv2.INTER_LINEAR)
    job = {
        "task": "straighten",
        "data": photo.ravel().tolist(),
        "width": 360,
        "height": 400,
        "corners": corners.tolist(),
    }
    (answer,) = ask({**job, "longest": 2048})
    assert (answer["width"], answer["height"]) == (252, 291)
    back = cv2.resize(np.array(answer["data"], np.uint8).reshape(291, 252), (150, 200), interpolation=cv2.INTER_AREA)
    inner = np.abs(back.astype(int) - film)[5:-5, 5:-5]
    assert inner.mean() < 1.5


def test_associated_files_are_found(ask, tmp_path):
    import zipfile

    model = tmp_path / "model.tflite"
    model.write_bytes(b"\x1c\0\0\0TFL3" + bytes(1000))
    with zipfile.ZipFile(model, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("labels.txt", "a\nb")
        archive.writestr("card.json", "{}")
    found = ask(
        *({"task": "associated", "model": str(model), "name": name} for name in ("card.json", "labels.txt", "x"))
    )
    assert [one and base64.b64decode(one) for one in found] == [b"{}", b"a\nb", None]


def test_sha256_is_pythons(ask):
    import hashlib

    contents = [bytes(size) + b"x" for size in (0, 1, 54, 55, 56, 63, 64, 119, 5000)] + [b"", b"abc"]
    found = ask(*({"task": "sha256", "data": list(one)} for one in contents))
    assert found == [hashlib.sha256(one).hexdigest() for one in contents]


def test_bombs_take_no_memory(ask, tmp_path):
    """A header that tells of 65,500 x 65,500 pixels."""
    jpeg = bytearray(dict(FILES)["jpeg gray"])
    place = jpeg.index(b"\xff\xc0")
    jpeg[place + 5 : place + 9] = b"\xff\xdc\xff\xdc"
    png = bytearray(dict(FILES)["png gray"])
    png[16:24] = b"\0\0\xff\xdc\0\0\xff\xdc"
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    jobs = []
    for name, data in {"a.jpg": jpeg, "b.png": png}.items():
        (tmp_path / name).write_bytes(data)
        jobs.append({"task": "pixels", "file": str(tmp_path / name), "size": [64, 64]})
    assert ["100 million pixels" in answer["error"] for answer in ask(*jobs)] == [True, True]


def test_the_core_names_nothing_of_a_browser():
    for name in ("core.js", "jpeg.js", "exif.js"):
        source = (WEB / name).read_text(encoding="utf-8")
        assert not [word for word in ("document.", "window.", "fetch(", "navigator.", "Blob(") if word in source]


WITH_INTEGER_ENDS = ({"input": {"dtype": "int8"}}, {"output": {"dtype": "uint8"}})


@pytest.mark.parametrize("ends", WITH_INTEGER_ENDS)
def test_a_model_with_integer_ends_is_refused(ask, ends):
    """Its numbers would be taken for scores."""
    card = {"card_version": 1, "labels": list(LABELS), "preprocess": PreprocessSpec().to_dict()}
    job = {"task": "decide", "pixels": [1, 2], "scores": [0.1, 0.2, 0.7]}
    read, refused = ask({**job, "card": card}, {**job, "card": {**card, **ends}})
    assert read["label"] == LABELS[2] and "--io pixels" in refused["error"]
