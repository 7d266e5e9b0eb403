"""The figures of a left-out source where some of it cannot be tested: each cell has a figure of counted images, or a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freezenet.train.crossval import transfer
from freezenet.train.crossval.left_out import left_out_folds, part_without
from freezenet.train.crossval.plan import CrossValidation
from freezenet.train.data.dataset import Dataset, Sample
from freezenet.train.data.images import Images
from freezenet.train.data.training_data import TrainingData
from freezenet.train.files import write_json
from freezenet.train.recipes.recipe import Recipe
from freezenet.train.task import TASKS
from tests.csv_rows import read_rows


@pytest.fixture
def figures(tmp_path, monkeypatch, capsys):
    """A function of a task and rows "classes site", each a patient of its own: the cells by class and site, and what is printed.

    Every tested image is answered rightly and surely; the folds test the images of even numbers alone.
    """

    def measure(task: str, *rows: str):
        cells = [row.split() for row in rows]
        samples = tuple(Sample(f"{n}.png", label, f"p{n}", "", group=site) for n, (label, site) in enumerate(cells))
        dataset = Dataset(Path(), samples, True, task=TASKS[task])
        asked = CrossValidation(tmp_path, {"arm": Recipe()}, 2, leave_out="site")
        for fold in left_out_folds(asked, "arm", dataset):
            fold.run(tmp_path).folder.mkdir(parents=True)
            write_json(fold.run(tmp_path).metrics_file, {"gate": {"chest_passed": {"value": 1.0}}})

        def tested(dataset: Dataset, out: Path, folds) -> transfer._Tested:
            rows = []
            for fold in folds:
                part = part_without(dataset, fold.left_out) if fold.left_out else None
                rows += part.rows[part.tested].tolist() if part else []
            if any(not fold.left_out for fold in folds):
                rows = list(range(0, len(samples), 2))
            rows = np.array(rows, int)
            return transfer._Tested(rows, np.zeros(len(rows), int), dataset.truth[rows], np.ones(len(rows), bool))

        monkeypatch.setattr(transfer, "_tested", tested)
        data = TrainingData(dataset, Images(None, ("",) * len(samples)))  # type: ignore[arg-type]
        transfer.print_transfer(transfer.write_transfer(asked, tmp_path, {"arm": data}))
        return {
            (one["class"], one["value"]): one for one in read_rows(tmp_path / "transfer.csv")
        }, capsys.readouterr().out

    return measure


def test_a_class_with_one_patient_elsewhere_is_not_tested(figures):
    """C has three patients at a and one at b: without b it can be learned, without a it cannot."""
    found, said = figures(
        "multi-class", "A a", "A a", "B a", "B a", "C a", "C a", "C a", "A b", "A b", "B b", "B b", "C b"
    )  # fmt: skip
    assert found["C", "a"]["why_not"] == (
        "cannot be tested outside: a training needs 2 patients of C without an image of a, and has 1"
    )
    assert (found["C", "a"]["tested_outside"], found["C", "a"]["outside"]) == ("0", "")
    assert (found["C", "b"]["tested_outside"], found["C", "b"]["outside"]) == ("1", "1.0")
    assert found["C", "a"]["why_not"] in said
    for one in found.values():
        assert bool(one["outside"]) != bool(one["why_not"])


def test_a_label_that_is_only_seen_beside_one_that_nobody_else_has(figures):
    """All images of C at b show D as well, and D is nowhere else: 7 images, and none can be tested. At b, A is tested on 2 of 4."""
    found, said = figures(
        "multi-label", *["A a", "B a", "C a"] * 3, *["C;D b"] * 7, *["A b", "A b", "A;D b", "A;D b", "B b"]
    )  # fmt: skip
    assert (found["C", "b"]["images"], found["C", "b"]["tested_outside"], found["C", "b"]["outside"]) == ("7", "0", "")
    assert found["C", "b"]["why_not"] == (
        "cannot be tested outside: all its images also show D, of which nothing can be learned"
    )
    assert (found["A", "b"]["images"], found["A", "b"]["tested_outside"], found["A", "b"]["outside"]) == (
        "4",
        "2",
        "1.0",
    )
    assert found["D", "b"]["why_not"] == "cannot be tested outside: D comes from b alone"
    assert "0.000 [0.000, 1.000]" not in said


def test_images_that_no_fold_tests_have_no_figure_inside(figures):
    found, said = figures("multi-class", *["A a", "B a", "A b", "B b"] * 3)
    assert (found["B", "a"]["inside"], found["B", "a"]["outside"]) == ("", "1.0")
    assert "B\ta\t3\t-\t3\t1.000 [" in said
