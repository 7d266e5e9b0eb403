from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from studies.results import mean_and_spread, write_result

ENVIRONMENT = {"cpu": "AMD EPYC (Zen 5)", "cores": 2, "packages": {"ai-edge-litert": "2.3.0", "numpy": "2.0"}}


def test_the_name_holds_machine_and_versions(tmp_path):
    write_result(tmp_path / "new", "peers-int8", {"environment": ENVIRONMENT, "value": 1})
    (written,) = (tmp_path / "new").iterdir()
    assert written.name == "peers-int8-amd-epyc-zen-5-2core-litert2.3.0.json"
    assert json.loads(written.read_text())["value"] == 1


def test_mean_and_sample_deviation_by_hand():
    assert mean_and_spread([1.0, 2.0, 4.0]) == {"mean": pytest.approx(7 / 3, abs=1e-6), "sd": 1.527525}
    assert mean_and_spread([2.0]) == {"mean": 2.0, "sd": 0.0}


def test_a_result_leaves_as_text_or_json_and_as_a_file(tmp_path):
    import click

    from studies.command import StudyCommand, hand_over, numbers, result_options

    @click.command(cls=StudyCommand)
    @click.option("--seeds", default="0,1")
    @result_options
    def study(seeds, as_json, out):
        hand_over({"environment": ENVIRONMENT, "seeds": numbers(seeds)}, "study", "two seeds\n", as_json, out)

    run = CliRunner().invoke
    assert run(study, []).stdout == "two seeds\n"
    assert json.loads(run(study, ["--json", "--out", str(tmp_path)]).stdout)["seeds"] == [0, 1]
    assert len(list(tmp_path.glob("study-*.json"))) == 1
    refused = run(study, ["--seeds", "0,x"])
    assert refused.exit_code == 2
    assert "Got: 0,x" in refused.stderr
