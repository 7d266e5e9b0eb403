"""The rows are read by the programs that docs/screen.md names, with its own lines."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "screen.md"
SNIPPETS = re.findall(r"```python\n(import (\w+)\n.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


def test_each_program_counts_what_a_hand_count_gives(screened_once, tmp_path, rows, monkeypatch):
    (tmp_path / "screened").symlink_to(screened_once)
    own = [row for row in rows(screened_once) if not row["duplicate_of"]]
    expected = Counter(row["label"] or row["reason"] or row["status"] for row in own)
    monkeypatch.chdir(tmp_path)
    assert {name for _, name in SNIPPETS} == {"duckdb", "pandas", "polars"}
    for snippet, name in SNIPPETS:
        pytest.importorskip(name)
        found: dict = {}
        exec(snippet, found)
        assert found["answers"] == expected, name
