"""Leaving a source out: who is trained on, who is tested, what cannot be; and the table of it on drawn phantoms."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import accuracy_score

from freezenet.cli import cli
from freezenet.edge_runtime.errors import DataError, FreezenetError, SettingError
from freezenet.train.crossval.left_out import left_out_values, part_without, with_groups
from freezenet.train.crossval.validation import read_data_by_arm
from freezenet.train.data.dataset import Dataset, Sample
from freezenet.train.data.loading import load
from freezenet.train.recipes.recipe import Recipe


def dataset(*rows: str) -> Dataset:
    """Each row: class, patient, group."""
    samples = tuple(
        Sample(f"{number}.png", *row.split()[:2], "", group=row.split()[2]) for number, row in enumerate(rows)
    )
    return Dataset(Path(), samples, True)


MIXED = dataset(
    "A p1 north", "A p2 north", "A p3 south", "A p4 south", "B p5 north", "B p6 north", "B p7 south", "B p8 south",
    "C p9 north", "C p10 north",
)  # fmt: skip


def test_the_value_is_tested_whole_and_the_rest_trains():
    part = part_without(MIXED, "south")
    assert part.rows.tolist() == list(range(10))
    assert np.flatnonzero(part.tested).tolist() == [2, 3, 6, 7]
    assert (part.untested, part.reason) == ({}, "")


def test_what_no_other_value_has_is_neither_learned_nor_tested():
    part = part_without(MIXED, "north")
    assert part.untested == {"C": 0}
    assert part.rows.tolist() == list(range(8))
    assert part.rows[part.tested].tolist() == [0, 1, 4, 5]


def test_a_patient_in_two_places_is_tested_and_not_trained_on():
    more = (Sample("x.png", "A", "p3", "", group="north"), Sample("y.png", "A", "p11", "", group="south"))
    moved = replace(MIXED, samples=(*MIXED.samples, *more))
    assert 10 not in part_without(moved, "south").rows
    # Nor is p3's image of the south used where the north is tested.
    assert part_without(moved, "north").rows.tolist() == [0, 1, 3, 4, 5, 6, 7, 10, 11]


def test_a_class_of_one_patient_elsewhere_cannot_be_learned():
    few = dataset(
        "A p1 north", "A p2 south", "A p9 south", "B p3 north", "B p4 south", "C p5 south", "C p6 south", "C p7 north"
    )
    part = part_without(few, "north")
    assert part.untested == {"B": 1}
    assert part.reason == ""


def test_where_nothing_can_be_tested_it_says_why():
    apart = dataset("A p1 north", "A p2 north", "B p3 south", "B p4 south", "C p5 south", "C p6 south")
    assert part_without(apart, "north").reason == "no other A to learn from"
    assert part_without(apart, "south").reason == "no other B or C to learn from"
    single = dataset("A p1 north", "A p2 north", "A p3 south", "A p4 south", "B p5 south", "B p6 south")
    assert part_without(single, "south").reason == "the rest holds one class only, A"


@pytest.fixture(scope="module")
def data(left_out_crossval) -> Path:
    return left_out_crossval / "sites.csv"


def test_any_column_of_the_csv_will_do(data, tmp_path):
    found = with_groups(load(data), "Site")
    assert left_out_values(found) == ["east", "north", "south"]
    assert {one.group for one in found.samples if one.label == "Focal"} == {"east"}
    for column, kind, words in (
        ("nowhere", DataError, "A column nowhere is required"),
        ("class", SettingError, "source, hospital or device"),
        ("source", DataError, "At least two values"),
    ):
        with pytest.raises(kind, match=words):
            with_groups(load(data), column)
    with pytest.raises(DataError, match="Got: a folder"):
        with_groups(replace(load(data), data=data.parent), "Site")


def test_the_column_is_said_to_be_used(data, caplog):
    caplog.set_level("INFO", "freezenet")
    read = read_data_by_arm(data, {"small": Recipe(image_size=32)}, leave_out="Site")["small"]
    assert left_out_values(read.dataset) == ["east", "north", "south"]
    assert [one for one in caplog.messages if "Site" in one] == ["Columns of sites.csv that are used: Site."]


def test_the_command_sets_inside_beside_outside(data, left_out_crossval, tmp_path):
    out, said = left_out_crossval / "crossval", (left_out_crossval / "stdout").read_text(encoding="utf-8")
    assert said.startswith("mobile-freezenet: transfer gap ")
    assert "cannot be tested outside: Focal comes from east alone" in said
    summary = json.loads((out / "crossval.json").read_text())
    found = summary["transfer"]["recipes"]["mobile-freezenet"]
    assert summary["transfer"]["column"] == "Site"
    runs = sorted(path.name for path in (out / "mobile-freezenet" / "seed-0").iterdir())
    assert runs == ["fold-1", "fold-2", "without-2", "without-3"]
    # One cache of the images and one of each version serve folds and left-out values, which are other sets of images.
    assert len([path for path in (left_out_crossval / "cache").iterdir() if path.name != "ood-versions"]) == 1
    assert len(list((left_out_crossval / "cache" / "ood-versions").iterdir())) == 3

    with data.open(newline="", encoding="utf-8") as file:
        site = {row["file"]: row["Site"] for row in csv.DictReader(file)}
    with (out / "mobile-freezenet" / "seed-0" / "without-2" / "predictions.csv").open(
        newline="", encoding="utf-8"
    ) as file:
        rows = list(csv.DictReader(file))
    assert {row["class"] for row in rows} == {"Clear", "Diffuse", "Focal", "Reticular"}
    assert {site[row["file"]] for row in rows if row["split"] == "test"} == {"north"}
    assert {site[row["file"]] for row in rows if row["split"] != "test"} == {"east", "south", "nan"}
    tested = [row for row in rows if row["split"] == "test"]
    expected = accuracy_score([row["class"] for row in tested], [row["answer"] for row in tested])
    assert found["values"]["north"]["outside"]["accuracy"]["value"] == pytest.approx(expected, abs=1e-6)
    assert found["values"]["north"]["images"] == len(tested)

    with (out / "transfer.csv").open(newline="", encoding="utf-8") as file:
        cells = {(row["class"], row["value"]): row for row in csv.DictReader(file)}
    clear = [row for row in tested if row["class"] == "Clear"]
    assert float(cells["Clear", "north"]["outside"]) == pytest.approx(
        np.mean([row["answer"] == "Clear" for row in clear]), abs=1e-6
    )
    assert cells["Focal", "east"]["outside"] == ""
    assert cells["Focal", "east"]["inside"] != ""
    # What lies there is used again, and another column is not mixed in.
    shutil.copytree(out, tmp_path / "out")
    arguments = json.loads((left_out_crossval / "arguments.json").read_text())
    arguments[arguments.index(str(out))] = str(tmp_path / "out")
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    text = plan["recipes"]["mobile-freezenet"]
    plan["recipes"]["mobile-freezenet"] = text.replace("group_tilt = 0.0\n", "")  # as of a version without that key
    assert plan["recipes"]["mobile-freezenet"] != text
    (tmp_path / "out" / "plan.json").write_text(json.dumps(plan))
    again = CliRunner().invoke(cli, [*arguments, "--json"])
    assert json.loads(again.stdout)["transfer"] == summary["transfer"]
    other = CliRunner().invoke(cli, [one.replace("Site", "source") for one in arguments])
    assert isinstance(other.exception, FreezenetError)
