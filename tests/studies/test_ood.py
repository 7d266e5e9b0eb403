"""The benchmark of the gates: its figures are those of the gates, and each kind of negative is left out in turn."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from freezenet.edge_runtime.errors import FreezenetError
from studies.ood import kind_of, main, overhead
from studies.tables.results_page import results_part


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Noise, stripes, and too few of a third kind."""
    folder = tmp_path_factory.mktemp("others")
    rng = np.random.default_rng(0)
    stripes = np.tile(np.repeat([0, 255], 8).astype(np.uint8), (96, 6))
    for number in range(12):
        cv2.imwrite(str(folder / f"noise_{number:02}.png"), rng.integers(0, 256, (96, 96), dtype=np.uint8))
        cv2.imwrite(str(folder / f"stripes_{number:02}.png"), np.roll(stripes, number, 1) // (1 + number))
    for number in range(3):
        cv2.imwrite(str(folder / f"flat_{number}.png"), np.full((96, 96), 60 * number, np.uint8))
    return folder


@pytest.fixture(scope="module")
def result(phantoms, others, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    arguments = [str(phantoms), "--not-cxr", str(others), "--other-cxr", str(phantoms.parent / "Focal"), "--recipe", "phantoms", "--weights", "none", "--seeds", "0,1",
                 "--json", "--out", str(out)]  # fmt: skip
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    (written,) = out.glob("ood-phantoms-*.json")
    found = json.loads(done.stdout.splitlines()[-1])
    assert json.loads(written.read_text()) == found
    return found, out


def test_kinds():
    assert kind_of("wrist-xray_012.jpg") == "wrist-xray"
    assert kind_of("hands/IM0001") == "hands"
    assert kind_of("cat.jpg") == "cat"


def test_each_gate_has_its_figures(result):
    found, _ = result
    assert found["negatives"] == {"flat": 3, "noise": 12, "stripes": 12}
    assert set(found["summary"]) == {"one-class", "logistic", "both"}
    for row in found["rows"]:
        one, logistic, both = (row["gates"][name] for name in ("one-class", "logistic", "both"))
        assert both["negatives_refused"]["value"] >= max(
            one["negatives_refused"]["value"], logistic["negatives_refused"]["value"]
        )
        assert both["chest_passed"]["value"] <= min(one["chest_passed"]["value"], logistic["chest_passed"]["value"])
    mean = np.mean([row["gates"]["both"]["auroc"]["value"] for row in found["rows"]])
    assert found["summary"]["both"]["auroc"]["mean"] == pytest.approx(mean, abs=1e-6)


def test_kinds_of_ten_or_more_are_left_out_in_turn(result):
    found, _ = result
    assert set(found["left_out"]) == {"noise", "stripes"}
    # The one-class gate is not taught, so what is left out changes nothing but what it is shown.
    assert {row["left_out"]["noise"]["one-class"]["chest_passed"]["value"] for row in found["rows"]} == {
        row["gates"]["one-class"]["chest_passed"]["value"] for row in found["rows"]
    }


def test_other_chest_x_rays_pass_both_where_they_pass_each(result):
    for row in result[0]["rows"]:
        passed = row["other_cxr"]
        assert (
            passed["one-class"] + passed["logistic"] - 1
            <= passed["both"]
            <= min(passed["one-class"], passed["logistic"])
        )
    assert result[0]["other_cxr"]["images"] > 10


def test_its_table_is_made_from_the_file(result):
    found, out = result
    text = results_part(out)
    assert "## OOD gate: is this a chest X-ray? (phantoms.csv)" in text
    mean = found["summary"]["both"]["negatives_refused"]["mean"]
    assert f"| the held-out half | both | {found['summary']['both']['auroc']['mean']:.4f} " in text
    assert f"{mean:.1%}" in text
    assert f"Of {found['other_cxr']['images']} chest X-rays" in text


def test_the_overhead_needs_a_gate(models, phantoms):
    with pytest.raises(FreezenetError, match="gate in its card"):
        overhead(models / "int8.tflite", [phantoms], 10)
