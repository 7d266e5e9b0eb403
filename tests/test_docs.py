"""The documentation is held to the code: its size, its links, its commands, its snippets."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from freezenet.cli import VERBS, cli
from freezenet.train.recipes.recipe import recipe_names

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [
        ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "results" / "README.md",
        *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("*.md")),
    ]
}  # fmt: skip
README = PAGES["README.md"]
TEST_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/python -m pytest"


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def code(text: str) -> list[str]:
    """What is set as a command: lines of shell blocks, indented lines, and code between backticks."""
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    lines = "\n".join(blocks(text, "sh")).replace("\\\n", " ").splitlines()
    return [*lines, *re.findall(r"^    (\S.*)$", text, re.M), *spans]


def test_the_readme_fits_on_a_screen_and_a_half():
    assert len(README.splitlines()) <= 130
    assert len(README.split()) <= 950


def test_the_readme_has_three_rows_of_results():
    table = README.partition("table: begin")[2].partition("<!-- table: end -->")[0]
    assert len([line for line in table.splitlines() if line.startswith("|")]) == 2 + 3


def test_ci_runs_the_second_command_of_the_readme():
    assert TEST_COMMAND in README
    assert TEST_COMMAND in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_appears(verb):
    assert any(f"freezenet {verb}" in page for page in PAGES.values())


@pytest.mark.parametrize("page", PAGES)
def test_every_verb_and_option_that_is_shown_exists(page):
    # `freezenet serve --host ...` and `python -m freezenet serve ...`; a placeholder in capitals is none of them.
    for line in code(PAGES[page].replace("from freezenet import", "")):
        for verb, rest in re.findall(r"(?:^|[ /`])freezenet ([a-z][a-z-]*)\b([^|;&#>]*)", line):
            assert verb in VERBS, (page, line)
            command = cli.get_command(None, verb)
            known = {name for one in command.params for name in one.opts} | {"--help"}
            assert set(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)) <= known, (page, line)


@pytest.mark.parametrize("page", PAGES)
def test_every_study_and_option_that_is_shown_exists(page):
    for line in code(PAGES[page]):
        for name, rest in re.findall(r"python -m (studies[.\w]*|freezenet)\b([^|;&#>]*)", line):
            if name.endswith(".NAME"):
                continue
            spec = importlib.util.find_spec(name.rstrip("."))
            assert spec is not None, (page, line)
            if name == "freezenet" or name.startswith("studies.tables"):
                continue
            module = importlib.import_module(f"{name}.__main__" if spec.submodule_search_locations else name)
            known = {option for one in module.main.params for option in one.opts} | {"--help"}
            assert set(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)) <= known, (page, line)


@pytest.mark.parametrize("page", PAGES)
def test_python_snippets_import_what_exists(page):
    for block in blocks(PAGES[page], "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "freezenet":
                module = importlib.import_module(node.module)
                assert all(hasattr(module, one.name) for one in node.names), (page, ast.unparse(node))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title).lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_into_the_project_leads_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)]+)\)", PAGES[page]):
        file, _, anchor = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), (page, target)
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), (page, target)


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_is_named_exists(page):
    """`freezenet/...`, `studies/...` and `tests/...` in code, and in the README's folder map."""
    for path in re.findall(r"`((?:freezenet|studies|tests|examples)/[\w./-]*)`", PAGES[page]):
        assert (ROOT / path).exists(), (page, path)


def test_the_folder_map_names_what_is_there():
    rows = re.findall(r"^\| `([\w/]+)/` \|[^|]*\| (.+) \|$", README, re.M)
    assert {"edge_runtime", "train", "convert", "benchmarks", "freezenet/pipeline", "studies"} <= {
        row[0] for row in rows
    }
    for folder, start in rows:
        assert (ROOT / folder).is_dir()
        for file in re.findall(r"`([\w/]+(?:\.\w+|/))`", start):
            assert (ROOT / folder / file).exists(), (folder, file)


def test_every_recipe_is_explained():
    page = PAGES["docs/recipes.md"]
    assert [name for name in recipe_names() if f"`{name}`" not in page] == []


def test_no_address_is_invented():
    """Of the project itself no address exists; those of others are listed here."""
    known = ("keepachangelog.com", "semver.org", "127.0.0.1", "ADDRESS", "localhost")
    # What Xcode asks for: the Swift package of the runtime's maker.
    package = "https://github.com/google-ai-edge/LiteRT`"
    for page, text in PAGES.items():
        for host in re.findall(r"https?://([^/\s):`]+)", text.replace(package, "")):
            assert host in known, (page, host)
    assert "://" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_citation_is_valid_and_of_this_version():
    found = YAML(typ="safe").load(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= found.keys()
    assert found["authors"] == [{"name": "The freezenet developers"}]
    assert all({"type", "title", "authors"} <= one.keys() for one in found["references"])
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{found["version"]}"' in pyproject
    assert f'license = "{found["license"]}"' in pyproject


def test_shell_blocks_can_be_read_by_a_shell():
    for page, text in PAGES.items():
        for block in blocks(text, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                assert shlex.split(line, comments=True) is not None, page
