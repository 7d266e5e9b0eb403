"""2,000 damaged files: always an answer or a sentence. (`python -m studies.stress.fuzz MODEL` runs 50,000.)"""

from __future__ import annotations

import json
import sys

import pytest
from click.testing import CliRunner

from studies.stress.fuzz.__main__ import main
from studies.stress.fuzz.memory import MEMORY_BOUND
from studies.stress.fuzz.mutation import mutated
from studies.stress.fuzz.run import fuzz
from studies.stress.fuzz.watch import SECONDS_BOUND
from studies.tables.robustness_page import fuzz_table

INPUTS = 2000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the worker's memory is read from Linux's /proc")


@pytest.fixture(scope="module")
def result(models, corpus_files, tmp_path_factory):
    return fuzz(
        models / "int8.tflite", corpus_files, numbers=range(INPUTS), seed=0, keep=tmp_path_factory.mktemp("findings")
    )


def test_every_damaged_file_gets_an_answer_or_a_sentence(result):
    assert result["findings"] == []
    assert result["inputs"] == INPUTS


def test_time_and_memory_stay_within_their_bounds(result):
    assert result["slowest"]["seconds"] <= SECONDS_BOUND
    assert 0 < result["largest"]["peak_bytes"] <= MEMORY_BOUND


def test_every_format_is_answered_and_refused(result):
    for kind, counts in result["formats"].items():
        assert counts["sentences"] > 0, kind
        assert counts["answers"] > 0 or kind == "dicom", kind


def test_one_input_is_run_again_and_kept(models, corpus_files, tmp_path):
    arguments = [str(models / "int8.tflite"), "--seed", "4", "--only", "11", "--out", str(tmp_path), "--json"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[-1])["inputs"] == 1
    made = mutated(corpus_files, 4, 11)
    assert (tmp_path / f"seed-4-input-11.{made.kind}").read_bytes() == made.data


def test_a_finding_is_shown_with_its_inputs(result):
    found = {"count": 3, "first": "printed: a\nb", "inputs": [{"number": 5}, {"number": 9}]}
    assert "- 3 x printed: a b (inputs 5, 9)" in fuzz_table({**result, "findings": [found]})
