"""The documentation is held to the code: tables, commands, verbs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from freezenet.cli import VERBS
from freezenet.train.recipes.recipe import recipe_names
from studies.tables.pages import END
from studies.tables.results_page import BEGIN, readme_with_tables

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEST_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/python -m pytest"


def test_the_tables_are_those_of_the_result_files():
    assert readme_with_tables(README, ROOT / "results") == README
    assert README.count("|") > 50
    assert BEGIN in README
    assert END in README


def test_ci_runs_the_second_command_of_the_readme():
    assert TEST_COMMAND in README
    assert TEST_COMMAND in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "doctor"])
def test_every_verb_appears(verb):
    pages = [README, *(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))]
    assert any(f"freezenet {verb}" in page for page in pages)


def test_every_command_that_the_pages_show_exists():
    shown = set(re.findall(r"freezenet ([a-z]+) [-A-Za-z]", "\n".join(re.findall(r"```sh\n(.*?)```", README, re.S))))
    assert shown
    assert shown <= set(VERBS)


def test_every_link_into_the_project_leads_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


def test_every_recipe_is_explained():
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert [name for name in recipe_names() if f"`{name}`" not in page] == []
