"""What the columns and cells of a CSV mean, however they are written.

`Patient ID` is the column patient_id, `nan` is an empty cell, `12` and `12.0` are one patient. Whatever is taken for something else than it
says comes with a note.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.names import counted
from freezenet.train.data.label_sets import NONE
from freezenet.train.data.layouts.csv_rows import Row, read_rows
from freezenet.train.data.layouts.patients import other_spellings, spelling_note

#: Words for "nothing" that programs write, in small letters.
NULL_WORDS = frozenset(
    {"", "nan", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nat", "none", "null", "nil", "?", "-", "--"}
)

#: Column -> its names without capitals and what stands between letters and digits.
_NAMES = {
    "file": {"file", "filename", "filepath"},
    "class": {"class"},
    "patient_id": {"patientid", "patient", "subjectid", "subject", "pid"},
    "source": {"source"},
    "split": {"split", "splits", "subset", "partition"},
    "fold": {"fold", "folds", "foldid", "foldnumber", "kfold"},
    "SOPInstanceUID": {"sopinstanceuid"},
    "SeriesInstanceUID": {"seriesinstanceuid"},
    "StudyInstanceUID": {"studyinstanceuid"},
    "AccessionNumber": {"accessionnumber"},
}
_MEANING = {name: column for column, names in _NAMES.items() for name in names}
#: A column that is missing and may be meant by one that is written nearly like it.
_OPTIONAL = ("patient_id", "source", "split", "fold")
_WHAT = {"patient_id": "patient", "fold": "fold"}


@dataclass(frozen=True)
class Table:
    """A CSV by the meaning of its columns.

    Args:
        path: of the file.
        names: meaning -> the column as the file writes it.
        header: all columns as the file writes them.
        rows: cells by meaning, without spaces around them; what is empty or a word for nothing is "".
        written: the same rows by column, as the file writes them.
        notes: a sentence about each thing that was taken for something else than it says, or not used.
    """

    path: Path
    names: dict[str, str]
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    written: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def others(self) -> tuple[str, ...]:
        """The columns whose meaning is not known."""
        return tuple(name for name in self.header if name not in self.names.values())


def read_table(path: Path) -> Table:
    """Read a CSV by the meaning of its columns.

    Raises:
        DataError: it is damaged; two columns, or one that is nearly written like it, may mean the same; a class is no text of one
            line.
    """
    header, rows = read_rows(path)
    names = _meanings(header, path)
    notes = [
        f"The column {found!r} of {path.name} is taken for {column}."
        for column, found in names.items()
        if found != column and (column, found) != ("patient_id", "PatientID")
    ]
    _refuse_swallowed(rows, [name for name in header if name not in names.values()], path)
    meant = [Row({column: _value(row[found], column) for column, found in names.items()}, row.line) for row in rows]
    for column in ("class", "patient_id", "source", "split", "fold"):
        if (found := names.get(column)) is None:
            continue
        words = [
            row[found].strip() for row, one in zip(rows, meant, strict=True) if row[found].strip() and not one[column]
        ]
        if words:
            shown = ", ".join(sorted(set(words)))
            notes.append(
                f"Taken for empty in the column {found!r} of {path.name}: {shown}, in {counted(len(words), 'row')}."
            )
    for column, what in _WHAT.items():
        others = other_spellings(one[column] for one in meant if one.get(column))
        if others:
            notes.append(spelling_note(what, others))
            for one in meant:
                one[column] = others.get(one[column], one[column])
    return Table(path, names, tuple(header), tuple(meant), tuple(rows), tuple(notes))


def missing_columns(table: Table, required: tuple[str, ...]) -> str:
    """Return "class and file (it has: ...)" where required columns are missing, "" otherwise."""
    missing = [column for column in required if column not in table.names]
    if not missing:
        return ""
    comma = "; separate them by commas" if len(table.header) == 1 else ""
    return f"{' and '.join(missing)} (it has: {', '.join(table.header) or 'nothing'}{comma})"


def _meanings(header: list[str], path: Path) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for name in header:
        column = _MEANING.get(_plain(name))
        if column:
            found.setdefault(column, []).append(name)
    chosen = {}
    for column, names in found.items():
        exact = next(
            (name for name in names if name in (column, "PatientID" if column == "patient_id" else column)), None
        )
        if exact is None and len(names) > 1:
            raise DataError(
                f"One column {column} is required. Got: {', '.join(names)} in {path.name}; rename the right one to {column}."
            )
        chosen[column] = exact or names[0]
    for name in header:
        near = next((one for one in _OPTIONAL if one not in chosen and _is_typo(_plain(name), _plain(one))), None)
        if near and name not in chosen.values():
            raise DataError(
                f"Columns of known names are required. Got: {name!r} in {path.name}, nearly {near}; rename it to that, or to "
                "something else."
            )
    return chosen


def _is_typo(name: str, known: str) -> bool:
    """Whether one letter is too many, missing, another, or two have changed places; in a short word, another letter is another word."""
    start = _shared(name, known)
    one, other = name[start:], known[start:]
    end = _shared(one[::-1], other[::-1])
    one, other = one[: len(one) - end], other[: len(other) - end]
    differ = max(len(one), len(other)) == 1 and (len(one) != len(other) or len(known) > 4)
    return differ or (len(one) == 2 and one == other[::-1])


def _shared(one: str, other: str) -> int:
    """Return how many letters two words have in common at their beginning."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _value(cell: str, column: str) -> str:
    text = cell.strip()
    if column == "file" or (column == "class" and text == NONE):
        return text
    return "" if text.casefold() in NULL_WORDS else text


def _refuse_swallowed(rows: list[Row], unused: list[str], path: Path) -> None:
    """Refuse a cell of a column that is not used which holds what look like rows, behind a quotation mark left open."""
    for row in rows:
        for name in unused:
            inner = row[name].splitlines()[1:]
            if any(
                (path.parent / part.strip()).is_file()
                for line in inner
                for part in re.split(r"[,;\t|]", line)
                if part.strip()
            ):
                raise DataError(
                    f"A CSV whose quotation marks are closed is required. Got: line {row.line} of {path.name}, where a cell holds other "
                    "rows."
                )
