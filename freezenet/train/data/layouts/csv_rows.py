"""A CSV as rows: its encoding, its separator, and what is damaged in it.

UTF-8 and UTF-16; commas, semicolons, tabs or bars; a line `sep=;` as spreadsheets write it. A row is never mended by guessing: what
does not fit the header is refused with its line.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from pathlib import Path

from freezenet.edge_runtime.errors import DataError

_SEPARATORS = ",;\t|"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Row(dict[str, str]):
    """The cells of a row by column; a cell that is missing at its end is "".

    Args:
        cells: by column.
        line: number of the row's first line in the file, from 1.
    """

    def __init__(self, cells: dict[str, str], line: int) -> None:
        super().__init__(cells)
        self.line = line


def read_rows(path: Path) -> tuple[list[str], list[Row]]:
    """Return the columns and the rows of a CSV; both are empty for an empty file.

    Raises:
        DataError: the file is no CSV in UTF-8 or UTF-16; a row has more cells than the header; a quotation mark is left open; a
            column stands in the header twice; the header stands among the rows again.
    """
    found = _records(path)
    if not found:
        return [], []
    start, header = found[0]
    header = [name.strip() for name in header]
    repeated = [name for name, count in Counter(header).items() if name and count > 1]
    if repeated:
        raise DataError(
            f"Each column once is required. Got: {', '.join(repeated)} twice in line {start} of {path.name}; take one of them away."
        )
    rows = []
    for line, cells in found[1:]:
        if any(cell.strip() for cell in cells[len(header) :]):
            raise DataError(
                f"{len(header)} cells in every row are required, as in the header. Got: {len(cells)} in line {line} of {path.name}; "
                "put a cell that holds the separator in quotation marks."
            )
        if len(header) > 1 and [cell.strip() for cell in cells] == header:
            raise DataError(
                f"The header once is required. Got: it again in line {line} of {path.name}; take that line away."
            )
        cells = cells[: len(header)] + [""] * (len(header) - len(cells))
        rows.append(Row(dict(zip(header, cells, strict=True)), line))
    return header, rows


def _records(path: Path) -> list[tuple[int, list[str]]]:
    """Return (first line, cells) of each line that is not empty, the header among them."""
    lines = list(io.StringIO(_text(path), newline=""))  # str.splitlines breaks at other characters too
    skipped = 1 if lines and lines[0].lower().startswith("sep=") else 0
    separator = lines[0].rstrip("\r\n")[4:5] if skipped else ""
    lines = lines[skipped:]
    header = next((line for line in lines if line.strip()), "")
    separator = separator or max(_SEPARATORS, key=header.count)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    found, line = [], 1 + skipped
    try:
        for cells in reader:
            if cells:
                found.append((line, cells))
            line = reader.line_num + 1 + skipped
    except csv.Error as error:
        raise DataError(
            f"A CSV whose quotation marks are closed is required. Got: {path.name}, which goes wrong in the row that begins in line "
            f"{line} ({error})."
        ) from None
    return found


def _text(path: Path) -> str:
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith(_UTF16) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DataError(f"A CSV in UTF-8, or a folder, is required. Got: {path}, which is none.")
    return text
