"""What a benchmark says where it cannot be run."""

from __future__ import annotations

from importlib import import_module

import pytest
from click.testing import CliRunner

BENCHMARKS = {
    "studies.install": ["--route", "boat"],
    "studies.clients.__main__": [".", "--client", "nobody"],
    "studies.quantization.__main__": ["no-run"],
    "studies.peers.__main__": ["no-model.tflite"],
    "studies.stress.fuzz.__main__": ["no-model.tflite"],
    "studies.stress.soak": ["setup.py", "setup.py", "--requests", "10"],
    "studies.stress.watch_kills": ["setup.py", "setup.py", "--files", "1"],
    "studies.predict": ["setup.py", "setup.py"],
    "studies.recipes": [".", "--work", "work"],
    "studies.training_speed": ["."],
}


@pytest.mark.parametrize("module", BENCHMARKS)
def test_bad_input_is_one_sentence(module, tmp_path, monkeypatch):
    (tmp_path / "setup.py").write_text("no model, no image")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(import_module(module).main, BENCHMARKS[module])
    assert done.exit_code == 1, done.output
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "Got: " in done.stderr.splitlines()[-1]
