"""How far gray values are from those of independent readers: the table of `python -m studies.stress.gray_values`."""

from __future__ import annotations

from typing import Any

from studies.tables import markdown
from studies.tables.pages import Page, each_result

_GIVEN = "given: "


def gray_values_table(result: dict[str, Any]) -> str:
    """Return the result of `studies.stress.gray_values` as Markdown: one row for each format."""
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for kind, row in result["kinds"].items():
        name = "DICOM as hospitals wrote it" if kind.startswith(_GIVEN) else kind.partition(" ")[0].rstrip(",")
        groups.setdefault(name, []).append((kind.removeprefix(_GIVEN), row))
    lines = []
    for name, kinds in groups.items():
        refused = [kind.removeprefix(name).strip(" ,") or kind for kind, row in kinds if row["refused"]]
        read = [row for _, row in kinds if row["read"]]
        largest = f"{max(row['difference'] for row in read):.2f}" if read else ""
        files, answered = (sum(row[key] for _, row in kinds) for key in ("files", "read"))
        lines.append([name, str(len(kinds)), str(files), str(answered), largest, "; ".join(refused)])
    wrong = sum(map(len, result["beyond"].values()))
    twelve = result["twelve_bits"]
    return "\n".join(
        [
            *markdown.table(
                ["format", "kinds", "files", "read", "largest difference in levels", "kinds refused by name"], lines
            ),
            "",
            f"{result['files']} files: {result['read'] - wrong} within {result['levels']} levels, {result['refused']} refused by "
            f"name, {wrong} neither. 12-bit lossy JPEG in DICOM: the samples of {twelve['identical']} of {twelve['files']} files are "
            "those of DCMTK, bit for bit.",
            "",
        ]
    )


def _section(result: dict[str, Any]) -> str:
    own = markdown.packages(result, "opencv-python-headless", "imagecodecs", "pydicom")
    others = ", ".join(f"{name} {version}" for name, version in result["readers"].items())
    return f"{own}, compared with {others}:\n\n{gray_values_table(result)}"


PAGE = Page(
    "docs/preprocessing.md", "preprocessing_page", lambda results: each_result(results, "gray-values", _section)
)

if __name__ == "__main__":
    PAGE.command()()
