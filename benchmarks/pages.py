"""Pages of the documentation with a part between two marks that a command writes."""

from __future__ import annotations

from pathlib import Path

from train.files import write_atomically

DOCS = Path(__file__).resolve().parents[1] / "docs"
END = "<!-- table: end -->"


def begin_mark(command: str) -> str:
    """Return the mark before a part, which names the command that writes it."""
    return f"<!-- table: begin ({command} writes it from results/) -->"


def with_part(page: str, begin: str, part: str) -> str:
    """Return a page with what stands between the marks replaced."""
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(END)
    return f"{before}{begin}\n{part}{END}{after}"


def write_page(path: Path, text: str) -> None:
    """Write a page whole or not at all."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
