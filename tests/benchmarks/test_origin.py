from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from freezenet.benchmarks.origin import find_run
from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.errors import DataError


@pytest.fixture(scope="module")
def card(models):
    return ModelCard.read(models / "int8.tflite")


@pytest.mark.parametrize("place", ["run", "of another name", "."])
def test_the_run_beside_or_around_the_models_is_found_by_its_digest(card, run, tmp_path, place):
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    (home / "another").mkdir()
    (home / "another" / "splits.csv").write_text("file,class,patient_id,source,split,sha256\n")
    shutil.copytree(run.folder, home / place, dirs_exist_ok=True)
    found = find_run(home / "models", card)
    assert found is not None and found.folder.resolve() == (home / place).resolve()


def test_none_beside_the_models(card, tmp_path):
    (tmp_path / "models").mkdir()
    assert find_run(tmp_path / "models", card) is None


def test_a_folder_whose_names_cannot_be_read_holds_none(card, tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert find_run(tmp_path, card) is None


def test_the_run_that_is_named(card, run, tmp_path):
    found = find_run(tmp_path, card, run.folder)
    assert found is not None and found.folder == run.folder
    with pytest.raises(DataError, match=r"splits\.csv inside is required"):
        find_run(tmp_path, card, tmp_path)
    (tmp_path / "splits.csv").write_text("another")
    with pytest.raises(
        DataError, match=r"that int8\.tflite was converted from is required. Got: .* is another; name the"
    ):
        find_run(tmp_path, card, tmp_path)
