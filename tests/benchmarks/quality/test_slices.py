"""Slices of made-up data whose worst part is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from freezenet.benchmarks.quality.images import KnownImages
from freezenet.benchmarks.quality.slices import slice_columns, sliced, worst_sentence
from freezenet.edge_runtime.errors import DataError, SettingError
from freezenet.train.data.dataset import Dataset, Sample
from freezenet.train.metrics.draws import patient_draws

PATIENTS = [str(number) for number in range(200)]
SEX = ["f", "m"] * 100


def known(columns, patients=PATIENTS):
    truth = np.ones((len(patients), 1), bool)
    return KnownImages(truth, ["x"], patients, patient_draws(patients), columns)


def all_answered(columns, right, reference=None, patients=PATIENTS):
    return sliced(known(columns, patients), right, np.ones(len(right), bool), reference)


def test_the_worst_slice_is_named_with_its_images_and_how_many_were_looked_at():
    right = np.ones(200, bool)
    right[::8] = False  # all of "f"
    found = all_answered({"sex": SEX, "class": ["x"] * 195 + ["rare"] * 5}, right)
    rows = {(one["column"], one["value"]): one for one in found["slices"]}
    assert rows["sex", "f"]["accuracy"]["value"] == 0.75
    assert rows["class", "rare"]["patients"] == 5
    assert (found["looked_at"], found["worst"]["value"]) == (3, "f")
    own, wide = found["worst"]["accuracy"], found["worst"]["over_all"]
    assert wide["low"] < own["low"] < own["high"] < wide["high"]
    assert worst_sentence(found, "int8").startswith(
        "int8 does worst on sex f (100 images of 100 patients), of 3 groups of images looked at: 75.0 % ["
    )
    assert worst_sentence(found, "int8").endswith(
        f"or, as 3 were looked at, [{100 * wide['low']:.1f}, {100 * wide['high']:.1f}]."
    )
    json.dumps(found, allow_nan=False)


def test_against_a_reference_the_largest_loss_is_worst_and_no_change_has_a_width():
    reference, right = np.ones(200, bool), np.ones(200, bool)
    right[1:12:2] = False  # six of "m"
    found = all_answered({"sex": SEX}, right, reference)
    female, male = found["slices"]
    assert (female["difference"]["value"], male["difference"]["value"]) == (0, pytest.approx(-0.06))
    assert female["difference"]["low"] < 0 < female["difference"]["high"]
    assert found["worst_loss"]["value"] == found["worst"]["value"] == "m"
    assert "int8 does worst on sex m (100 images of 100 patients), of 2 groups" in worst_sentence(found, "int8")
    assert "int8 against float32 loses most on sex m" in worst_sentence(found, "int8", "float32")
    assert ": -6.0 points [" in worst_sentence(found, "int8", "float32")
    none = all_answered({"sex": SEX[:150]}, reference[:150], reference[:150], PATIENTS[:150])
    assert (
        "int8 against float32 loses accuracy on none of the 2 groups of images looked at; least is known of sex"
        in worst_sentence(none, "int8", "float32")
    )


def test_where_all_are_right_the_interval_over_all_slices_is_wilsons_at_their_level():
    found = all_answered({"sex": SEX}, np.ones(200, bool))
    wide = binomtest(100, 100).proportion_ci(1 - 0.05 / 2, method="wilson")
    assert found["worst"]["over_all"] == {"low": pytest.approx(wide.low, abs=1e-6), "high": 1}
    assert found["worst"]["over_all"]["low"] < found["worst"]["accuracy"]["low"]


def test_a_difference_is_never_said_to_be_an_accuracy():
    right = np.ones(200, bool)
    found = all_answered({"sex": SEX}, right, right)
    over_all = found["worst_loss"]["over_all"]
    assert -0.1 < over_all["low"] <= found["worst_loss"]["difference"]["low"] < 0 < over_all["high"] < 0.1


def test_a_patient_counts_once():
    found = all_answered({"sex": SEX}, np.ones(200, bool), patients=["one"] * 200)
    assert (found["slices"][0]["patients"], found["looked_at"], found["worst"]) == (1, 0, None)
    assert worst_sentence(found, "int8") == ""


def test_answered_and_uncertain_are_counted_in_each_slice():
    """By hand: of the 100 "f", at even places, 99 are answered, 24 of these wrong; of the 100 "m" 50, all right."""
    right, answered = np.ones(200, bool), np.ones(200, bool)
    right[::8] = False  # 25 of "f"
    answered[0] = answered[101::2] = False  # a wrong one of "f", half of "m"
    rows = {one["value"]: one for one in sliced(known({"sex": SEX}), right, answered)["slices"]}
    assert [(rows[sex]["answered"], rows[sex]["answered_right"]) for sex in "fm"] == [(99, 75), (50, 50)]


def test_the_same_images_by_another_column_are_named_and_not_ranked_twice():
    source = ["north" if sex == "f" else "south" for sex in SEX]
    found = all_answered({"sex": SEX, "source": source, "class": ["x", "y"] * 50 + ["y", "x"] * 50}, np.arange(200) > 9)
    rows = {(one["column"], one["value"]): one for one in found["slices"]}
    assert rows["source", "north"]["same_as"] == {"column": "sex", "value": "f"}
    assert not any("same_as" in one for one in found["slices"] if one["column"] != "source")
    assert found["looked_at"] == 4


@pytest.fixture
def data(tmp_path):
    rows = [f"{number}.png,{'ab'[number % 2]},{number},{'fm'[number % 2]}" for number in range(4)]
    (tmp_path / "data.csv").write_text("\n".join(["file,class,patient_id,sex", *rows]))
    for number in range(4):
        (tmp_path / f"{number}.png").touch()
    samples = tuple(Sample(f"{number}.png", "ab"[number % 2], str(number), "") for number in range(4))
    return Dataset(tmp_path, samples, True, data=tmp_path / "data.csv")


def test_columns_come_from_the_table(data):
    assert slice_columns(data) == {"class": ["a", "b", "a", "b"]}
    assert slice_columns(data, ["sex"])["sex"] == ["f", "m", "f", "m"]


def test_what_cannot_be_sliced_is_one_sentence(data):
    with pytest.raises(DataError, match=r"A column device is required\. Got: data\.csv with file, class"):
        slice_columns(data, ["device"])
    with pytest.raises(SettingError, match="Columns such as sex, age or device are required by --slices"):
        slice_columns(data, ["patient_id"])
    with pytest.raises(DataError, match="A CSV with the column sex is required by --slices"):
        slice_columns(Dataset(Path("."), data.samples, True), ["sex"])
