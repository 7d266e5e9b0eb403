"""Pages of the documentation with a part between two marks that a command writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from freezenet.train.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]
END = "<!-- table: end -->"


def begin_mark(command: str) -> str:
    """Return the mark before a part, which names the command that writes it."""
    return f"<!-- table: begin ({command} writes it from results/) -->"


def with_part(page: str, begin: str, part: str) -> str:
    """Return a page with what stands between the marks replaced."""
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(END)
    return f"{before}{begin}\n{part}{END}{after}"


def rewrite_page(name: str, with_tables: Callable[[str, Path], str]) -> None:
    """Write a page of this project anew, whole or not at all.

    name: below the project's folder. with_tables: makes the new text of the old one and the folder of result files.
    """
    path = ROOT / name
    text = with_tables(path.read_text(encoding="utf-8"), ROOT / "results")
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
