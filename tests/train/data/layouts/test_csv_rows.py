"""A CSV as rows: encodings, separators, and damage that is named by its line."""

from __future__ import annotations

import pytest

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.layouts.csv_rows import read_rows


@pytest.fixture
def written(tmp_path):
    def make(text, encoding="utf-8"):
        path = tmp_path / "x.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return make


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_separators_and_ends_of_lines(written, encoding, separator, end):
    text = end.join(separator.join(row) for row in (("file", "class"), ("ä.png", "Ä"), ("", ""), ("b.png", "a,b;c")))
    path = written(text.replace("a,b;c", '"a,b;c"'), encoding)
    columns, rows = read_rows(path)
    assert columns == ["file", "class"]
    assert rows == [{"file": "ä.png", "class": "Ä"}, {"file": "", "class": ""}, {"file": "b.png", "class": "a,b;c"}]
    assert [row.line for row in rows] == [2, 3, 4]


def test_the_line_that_spreadsheets_write_first(written):
    columns, rows = read_rows(written("sep=;\nfile;class,note\na.png;A\n"))
    assert (columns, rows, rows[0].line) == (["file", "class,note"], [{"file": "a.png", "class,note": "A"}], 3)


def test_lines_are_counted_over_breaks_in_cells_and_empty_lines(written):
    _, rows = read_rows(written('a,b\n"1\n2",x\n\n3,y\n4\n'))
    assert [(row.line, row["a"], row["b"]) for row in rows] == [(2, "1\n2", "x"), (5, "3", "y"), (6, "4", "")]


def test_empty_cells_at_the_end_are_none(written):
    assert read_rows(written("a,b,,\n1,2,,\n3,4,,,\n"))[1] == [
        {"a": "1", "b": "2", "": ""},
        {"a": "3", "b": "4", "": ""},
    ]


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("a,b\n1,2\n3,4,5\n", "2 cells in every row .* Got: 3 in line 3"),
        ("a,b\n1,2\na,b\n3,4\n", "The header once is required. Got: it again in line 3"),
        ("a,b,a\n1,2,3\n", "Got: a twice in line 1"),
        (" a,b,a \n1,2,3\n", "Got: a twice in line 1"),
        ('a,b\n1,"2\n3,4\n', "begins in line 2"),
        ('a,b\n1,2\n3,"4\n5,6\n7,"8\n', "begins in line 3"),
        ('a,b\n1,"2"x\n', "begins in line 2"),
        ("a,b\n1,\0\n", "UTF-8"),
    ],
)
def test_damage_is_named_by_its_line(written, text, fact):
    with pytest.raises(DataError, match=fact) as caught:
        read_rows(written(text))
    assert "\n" not in str(caught.value)


def test_bytes_of_no_text(written, tmp_path):
    (tmp_path / "y.csv").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(DataError, match="UTF-8"):
        read_rows(tmp_path / "y.csv")
