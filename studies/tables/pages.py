"""Pages of the documentation with a part between two marks that is written from the files in results/.

Each page has a module here, run as `python -m studies.tables.NAME`; `python -m studies.tables` writes them all. A test compares
every page with what would be written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from freezenet.train.files import read_json, write_atomically
from studies.command import StudyCommand

ROOT = Path(__file__).resolve().parents[2]
END = "<!-- table: end -->"


@dataclass(frozen=True)
class Page:
    """A page and what makes its part.

    Args:
        path: of the page, below the project's folder.
        module: name of the module in studies.tables that writes it.
        part: from the folder of result files to Markdown.
    """

    path: str
    module: str
    part: Callable[[Path], str]

    @property
    def begin(self) -> str:
        """The mark before the part, which names the command that writes it."""
        return f"<!-- table: begin (python -m studies.tables.{self.module} writes it from results/) -->"

    def text(self) -> str:
        """Return the page as it is now."""
        return (ROOT / self.path).read_text(encoding="utf-8")

    def rewritten(self, text: str, results: Path = ROOT / "results") -> str:
        """Return a page's text with what stands between the marks made anew."""
        before, begin, rest = text.partition(self.begin)
        _, end, after = rest.partition(END)
        if not (begin and end):
            raise ValueError(f"The marks of studies.tables.{self.module} are required. Got: {self.path} without them.")
        return f"{before}{begin}\n{self.part(results).rstrip()}\n{END}{after}"

    def write(self) -> None:
        """Write the page anew, whole or not at all."""
        text = self.rewritten(self.text())
        write_atomically(ROOT / self.path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def command(self) -> click.Command:
        """Return the page's command."""

        @click.command(cls=StudyCommand, help=f"Write the tables of {self.path} anew from results/.")
        def main() -> None:
            self.write()

        return main


def each_result(results: Path, name: str, section: Callable[[dict[str, Any]], str], backwards: bool = False) -> str:
    """Return the sections of all result files whose names begin with `name`-, one below the other."""
    paths = sorted(results.glob(f"{name}-*.json"), reverse=backwards)
    return "\n".join(section(read_json(path)) for path in paths)
