"""plan.json: what goes on with a folder is what it was begun with; what a recipe alone knows is held against that recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from freezenet.edge_runtime.errors import SettingError
from freezenet.train.crossval.plan import CrossValidation
from freezenet.train.crossval.plan_file import begin
from freezenet.train.data.dataset import Dataset, Sample
from freezenet.train.data.images import Images
from freezenet.train.data.training_data import TrainingData
from freezenet.train.recipes.recipe import Recipe

ALL = Recipe()
TWO = ALL.with_settings({"classes": ["A", "B"]})
DEVICES = ("x", "y", "x", "y", "x", "y")


def go_on(out: Path, recipes: dict[str, Recipe], devices: Sequence[str] = DEVICES) -> dict:
    """Begin a cross-validation of six images that leaves devices out, or go on with it; return its plan."""
    rows = enumerate(zip("ABCABC", devices, strict=True))
    samples = tuple(Sample(f"{row}.png", label, str(row), "", group=device) for row, (label, device) in rows)

    def of(recipe: Recipe) -> TrainingData:
        dataset = Dataset(Path(), samples, True).of_classes(recipe.classes)
        return TrainingData(dataset, Images(None, tuple(sample.file for sample in dataset.samples)))  # type: ignore[arg-type]

    out.mkdir(exist_ok=True)
    asked = CrossValidation(out / "data.csv", recipes, 2, leave_out="device")
    begin(asked, {arm: of(recipe) for arm, recipe in recipes.items()}, out)
    return json.loads((out / "plan.json").read_text())


def as_an_older_version_wrote_it(out: Path, **facts) -> None:
    plan = {**json.loads((out / "plan.json").read_text()), **facts}
    (out / "plan.json").write_text(json.dumps({key: value for key, value in plan.items() if value is not None}))


def test_a_recipe_of_fewer_classes_can_be_added_in_a_later_call(tmp_path):
    together = go_on(tmp_path / "together", {"all": ALL, "two": TWO})
    go_on(tmp_path / "later", {"all": ALL})
    assert go_on(tmp_path / "later", {"two": TWO})["groups_sha256"] == together["groups_sha256"]
    assert len(set(together["groups_sha256"].values())) == 2  # they meet other images
    go_on(tmp_path / "later", {"all": ALL, "two": TWO})


@pytest.mark.parametrize("arm", ["all", "focal"])
def test_another_device_of_the_same_images_is_refused(tmp_path, arm):
    """By the recipe that was there, and by one of the same classes that is added."""
    go_on(tmp_path, {"all": ALL})
    recipe = {"all": ALL, "focal": replace(ALL, loss="focal")}[arm]
    go_on(tmp_path, {arm: recipe})
    with pytest.raises(
        SettingError, match=f"^The same values in the column device are required to go on. Got: others for {arm} "
    ):
        go_on(tmp_path, {arm: recipe}, DEVICES[::-1])


def test_folders_of_an_older_version_go_on(tmp_path):
    """Which kept one hash of the groups, of the first recipe that was asked for, and before that none."""
    digests = go_on(tmp_path, {"all": ALL, "two": TWO})["groups_sha256"]
    for older in (*digests.values(), None):
        for asked in ({"two": TWO, "all": ALL}, {"all": ALL, "two": TWO}):
            as_an_older_version_wrote_it(tmp_path, groups_sha256=older)
            assert go_on(tmp_path, asked)["groups_sha256"] == digests
    as_an_older_version_wrote_it(tmp_path, groups_sha256=digests["all"])
    with pytest.raises(SettingError, match="values in the column device"):
        go_on(tmp_path, {"all": ALL}, DEVICES[::-1])
