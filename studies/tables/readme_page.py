"""The three rows of the README: float, int8, and the int8 file that TensorFlow's converter makes of the same networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from freezenet.train.files import read_json
from studies.tables import markdown
from studies.tables.pages import Page

#: The study of techniques, because there all three files come from the same trained networks.
_STUDY = "quantization-radiography4"
#: Arm of that study -> how a reader knows it.
_ROWS = {
    "float32": "float32",
    "rounded-least-error-bias-correction": "int8 (freezenet)",
    "tensorflow": "int8 (TensorFlow's converter)",
}


def readme_part(results: Path) -> str:
    """Return the table of the README."""
    (path,) = results.glob(f"{_STUDY}-*.json")
    result = read_json(path)
    headings = ["file", "macro-F1", "against float32", "answers changed", "MB"]
    rows = [_cells(arm, shown, result["summary"][arm]) for arm, shown in _ROWS.items()]
    return "\n".join(markdown.table(headings, rows))


def _cells(arm: str, shown: str, figures: dict[str, Any]) -> list[str]:
    difference, changed = markdown.spread(figures["macro_f1_difference"], "+.3f"), f"{figures['changed']['mean']:.1%}"
    compared = ["", ""] if arm == "float32" else [difference, changed]
    return [shown, markdown.spread(figures["macro_f1"]), *compared, f"{figures['bytes']['mean'] / 1e6:.1f}"]


PAGE = Page("README.md", "readme_page", readme_part)

if __name__ == "__main__":
    PAGE.command()()
