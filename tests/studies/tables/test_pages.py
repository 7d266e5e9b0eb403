"""Every table of the documentation is what its result files say."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from studies.tables import __main__ as writers
from studies.tables.pages import END, ROOT, Page


@pytest.mark.parametrize("module", writers.MODULES)
def test_a_page_holds_the_tables_of_the_result_files(module):
    page = import_module(f"studies.tables.{module}").PAGE
    text = page.text()
    assert page.module == module
    assert text.count(page.begin) == 1
    assert page.rewritten(text) == text


def test_every_writer_and_every_result_file_is_used():
    files = {path.stem for path in Path(writers.__file__).parent.glob("*_page.py")}
    assert files == set(writers.MODULES)
    known = (
        "altered", "audit", "clients", "crossval-speed", "dicom-node", "dicom-results", "film", "foreign", "fuzz",
        "gray-values", "install", "latency", "litert-benchmark", "localize", "losses", "mutations", "ood",
        "out-of-fold", "outside", "packaged", "peers", "phone", "predict", "quantization", "recipes", "refit", "scaling", "screen", "siege",
        "soak",
        "training-speed", "verdict", "watch-kills",
    )  # fmt: skip
    assert [path.name for path in (ROOT / "results").glob("*.json") if not path.name.startswith(known)] == []


def test_a_page_is_written_between_its_marks(tmp_path, monkeypatch):
    page = Page("page.md", "some_page", lambda results: f"{len(list(results.iterdir()))} files")
    monkeypatch.setattr("studies.tables.pages.ROOT", tmp_path)
    (tmp_path / "page.md").write_text(f"before\n{page.begin}\nold\n{END}\nafter\n")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.json").write_text(json.dumps({}))
    written = page.rewritten(page.text(), tmp_path / "results")
    assert written == f"before\n{page.begin}\n1 files\n{END}\nafter\n"
    assert page.rewritten(written, tmp_path / "results") == written
    with pytest.raises(ValueError, match="marks"):
        page.rewritten("no marks", tmp_path / "results")


@pytest.mark.parametrize("module", writers.MODULES)
def test_a_writer_has_help(module):
    shown = CliRunner().invoke(import_module(f"studies.tables.{module}").PAGE.command(), ["--help"])
    assert shown.exit_code == 0
    assert "anew from results/" in shown.stdout
