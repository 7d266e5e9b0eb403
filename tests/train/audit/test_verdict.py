"""What an audit says: every figure on one scale, nothing that could be taken for the trained network's."""

from __future__ import annotations

import re

import pytest

from freezenet.train.audit.picture import draw
from freezenet.train.audit.verdict import audit_sentence, details, flags_of, headline, sentences


def figure(value, spread=0.03):
    return {"value": value, "low": max(0.0, value - spread), "high": min(1.0, value + spread)}


def view(accuracy, remaining, above_chance=True, **more):
    share = None if remaining is None else figure(remaining, 0.05)
    return {"accuracy": figure(accuracy), "remaining": share, "above_chance": above_chance, "images": 910, **more}


@pytest.fixture
def found():
    """Figures of an audit, of three sources; "remaining" is far from every accuracy, so that it is seen where it is said."""
    one = {
        "images": 910,
        "majority": 0.38,
        "weights": "mobilenet_v2_imagenet_1.0_224_no_top.h5",
        "views": {
            "whole": {**view(0.89, 1.0), "recall": {"Sick": figure(0.97), "Well": figure(0.86)}},
            "centre_out": view(0.84, 0.77),
            "border_out": view(0.88, 0.75),
            "thumbnail": view(0.8, 0.73),
            "histogram": view(0.6, 0.22),
            "marks_out": view(0.9, 0.98),
            "source": view(0.83, 0.71),
            "stored_size": view(0.87, 0.7),
            "file_format": view(0.39, 0.01, above_chance=False),
            "marks": view(0.55, 0.31),
        },
        "marks": {"found": True, "p": 0.001, "cell": [0, 0], "shares": {"Sick": 0.67, "Well": 0.11}},
        "telling_sizes": ["all 350 images of 256 x 256 are Sick", "all 105 images of 224 x 224 are Well"],
        "size_seen": {"value": 0.98, "majority": 0.4},
        "outside": {
            "accuracy": {"value": 0.63, "low": 0.3, "high": 0.88},
            "likely": [0.45, 0.79],
            "left_out": {
                "Sick": {},
                "Well": {
                    "east": {"images": 53, **figure(47 / 53, 0.08)},
                    "west": {"images": 105, **figure(34 / 105, 0.09)},
                },
            },
            "from_one_source": ["Sick"],
            "known": {"mean": 0.25, "spread": 0.28, "sources": 6},
        },
        "notes": ["2 images cannot be read and were left out."],
    }
    return {**one, "flags": flags_of(one)}


def percentages(text):
    """The percentages in a text, without the ends of their intervals."""
    return {int(one) for one in re.findall(r"(\d+) %", text)}


def test_the_headline_says_how_often_the_probe_is_right(found):
    assert headline(found) == (
        "The class can be told without most of the lungs: a probe, which is a simple stand-in and not the network, is right in 84 % of cases "
        "with the middle of the image blacked out and in 89 % with the whole image; the most frequent class alone gives 38 %. The class goes "
        "with the name of the source, the stored size and marks in the border. A network trained on this data may have learned that in place "
        "of the disease."
    )


def test_the_headline_names_no_source_file_or_size(found):
    assert not [one for one in ("east", "west", "256", "224", ".h5", "Well", "Sick") if one in headline(found)]


def test_a_report_shows_few_paragraphs_and_the_probe_is_explained_first(found):
    said = sentences(found)
    assert len(said) == 8 and said[-1] == found["notes"][0]
    assert said[0].startswith(
        "The probe is a simple stand-in that learns in seconds: a network that saw only everyday photographs"
    )
    assert "It is not the network that is trained on this data" in said[0]
    assert not set(said) & set(details(found))


def test_a_network_of_random_weights_saw_nothing(found):
    assert "a network with random weights reads the image" in sentences({**found, "weights": "none"})[0]


def test_text_and_picture_hold_one_scale(found):
    told = " ".join((headline(found), *sentences(found), *details(found)))
    assert "above chance" not in told and "remain " in told  # the apices
    assert not percentages(told) & {77, 75, 73, 22, 71, 70, 31}
    axis = draw(found).axes[0]
    shown = {
        name.get_text(): text.get_text()
        for name, text in zip(
            axis.get_yticklabels(), [one for one in axis.texts if one.get_text().endswith(" %")], strict=False
        )
    }
    assert (
        shown["middle blacked out"] == "84 %"
        and shown["name of the source"] == "83 %"
        and shown["marks alone"] == "55 %"
    )
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([89, 88, 90, 84, 80, 60, 83, 87, 39, 55])


def test_what_the_network_may_know_elsewhere_is_never_said(found):
    (guess,) = [one for one in sentences(found) if "63 %" in one]
    assert guess.startswith("A guess for the probe, not for a trained network: at a hospital whose images took no part")
    assert "right in 30 % to 88 % of cases, 63 % being the best guess" in guess
    assert "at 2 sources of this data, each left out in turn, and at 6 public sources" in guess


def test_without_a_source_that_could_be_left_out_the_guess_says_so(found):
    found["outside"]["left_out"]["Well"] = {}
    (guess,) = [one for one in sentences(found) if "63 %" in one]
    assert "made from what was lost at 6 public sources" in guess and "this data" not in guess


def test_left_out_sources_are_named_with_how_many_images_they_hold(found):
    (said,) = [one for one in sentences(found) if "trained without" in one]
    assert said == (
        "A probe trained without the images of west named 34 of its 105 Well images right, 32 % [23, 41]; without those of east, 47 of its 53 "
        "right, 89 % [81, 97]. Trained with images of all sources, it named 86 % [83, 89] right. Sick comes from one source only: how well it is "
        "told at another cannot be tested with this data."
    )


def test_of_many_left_out_sources_the_worst_are_named(found):
    at = {f"source {number}": {"images": 100, **figure(number / 10)} for number in (5, 3, 9, 4, 8)}
    found["outside"]["left_out"]["Well"] = at
    (said,) = [one for one in sentences(found) if "trained without" in one]
    named = [one in said for one in ("source 3", "source 4", "source 5", "source 8", "source 9")]
    assert named == [True, True, True, False, False]
    assert "; at 2 more sources, a larger part. " in said


def test_sizes_and_their_classes_are_one_sentence(found):
    (said,) = [one for one in sentences(found) if one.startswith("From the width and height")]
    assert said == (
        "From the width and height at which the files are stored the class can be told in 87 % [84, 90] of cases, without any image: all 350 images of "
        "256 x 256 are Sick and all 105 images of 224 x 224 are Well. From the pixels of the resized images the probe names the stored size right in 98 % of cases; the "
        "most frequent size alone gives 40 %."
    )


@pytest.mark.parametrize(
    ("above_chance", "remaining", "said"),
    [
        (True, 0.98, "Marks in the border help alone (55 % [52, 58]) but are not needed: no loss is seen when all of them are painted over (90 % [87, 93]; "),
        (False, 0.98, "Marks in the border help little alone (55 % [52, 58]) and are not needed: no loss is seen "),
        (True, 0.6, "Marks in the border help alone (55 % [52, 58]) and are used: a loss is seen when all of them are painted over (90 % [87, 93]; with them 89 %)."),
        (True, None, "Marks in the border help alone (55 % [52, 58])."),
    ],
)  # fmt: skip
def test_marks_that_help_and_are_not_needed(found, above_chance, remaining, said):
    found["views"]["marks"]["above_chance"] = above_chance
    found["views"]["marks_out"] = view(0.9, remaining)
    (marks,) = [one for one in sentences(found) if one.startswith("Bright letters")]
    assert (
        said in marks
        and "at the top left go with the class: 67 % of the images of Sick have one, 11 % of Well." in marks
    )


def test_with_masks_the_lungs_are_what_is_hidden(found):
    found["views"]["lungs_out"] = view(0.5, 0.9, images=60, whole=figure(0.95), majority=0.45)
    assert headline(found).startswith("The class can be told without the lungs: a probe")
    assert (
        "right in 50 % of cases with the box around the lungs blacked out and in 95 % with the whole image; the most frequent class alone gives 45 %"
        in (headline(found))
    )
    (said,) = [one for one in sentences(found) if "lungs" in one]
    assert said == (
        "With the box around the lungs blacked out, the probe is right in 50 % [47, 53] on the 60 images with masks, where the whole image gives "
        "95 % [92, 98] and the most frequent class alone 45 %."
    )
    assert any(
        one.startswith("With the middle of the image blacked out, the probe is right in 84 %") for one in details(found)
    )


def test_where_nothing_gives_the_class_away(found):
    found["flags"], found["views"]["centre_out"] = [], view(0.4, 0.1, above_chance=False)
    assert headline(found) == (
        "None of the shortcuts that were tried gives the class away. A probe, which is a simple stand-in and not the network, is right in 40 % of "
        "cases with the middle of the image blacked out and in 89 % with the whole image; the most frequent class alone gives 38 %. Others may."
    )


def test_what_is_not_clearly_above_chance_is_not_said_to_be_told(found):
    found["flags"], found["views"]["centre_out"] = [], view(0.4, 0.9, above_chance=False)
    assert headline(found).startswith("None of the shortcuts")


def test_an_audit_of_an_earlier_version_keeps_its_words(found):
    old = {key: found[key] for key in ("images", "majority", "views", "flags")} | {
        "headline": "As it was.",
        "verdict": ["So."],
    }
    assert audit_sentence(old) == "As it was."
    assert draw(old).axes[0].patches
    assert audit_sentence({}) == "" and "Why." in audit_sentence({"not_audited": "Why."})
