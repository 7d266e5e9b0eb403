"""Names of classes that can be told apart."""

from __future__ import annotations

import pytest

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.loading import load

CAFE, CAFE_APART = "caf\u00e9", "cafe\u0301"


def test_two_spellings_of_accents_are_one_class(touch):
    found = load(touch(f"{CAFE}/1.png", f"{CAFE_APART}/2.png", "B/3.png"))
    assert found.labels == ("B", CAFE)
    assert len(found.only(range(3)).samples) == 3
    assert found.notes == (f"Classes in two spellings of their accents, which are one each: {CAFE}.",)


@pytest.mark.parametrize(
    ("one", "other"), [("COVID", "\u0421OVID"), ("Normal", "N\u043ermal"), ("A", "\u0391"), ("No finding", "No\u00a0finding"), ("COVID", "\uff23OVID")]
)  # fmt: skip
def test_names_that_look_alike_are_refused(touch, one, other):
    with pytest.raises(DataError, match="which look alike") as caught:
        load(touch(f"{one}/1.png", f"{other}/2.png"))
    assert str(caught.value).isascii()


@pytest.mark.parametrize("label", ["Clear\nsevere", "a\tb", "a\u200bb", "a\u202eb", "\ufeffa", "a\x07"])
def test_invisible_characters_are_refused(touch, label):
    with pytest.raises(DataError, match="invisible characters"):
        load(touch(f"{label}/1.png", "B/2.png"))


@pytest.mark.parametrize("label", ["nan", "None", "NA", "?"])
def test_words_for_nothing_are_no_class(touch, label):
    with pytest.raises(DataError, match="a word for nothing"):
        load(touch(f"{label}/1.png", "B/2.png"))


def test_alphabets_of_their_own_are_names(touch):
    assert (
        load(
            touch(
                "\u043f\u043d\u0435\u0432\u043c\u043e\u043d\u0438\u044f/1.png", "\u043d\u043e\u0440\u043c\u0430/2.png"
            )
        ).labels[0]
        == "\u043d\u043e\u0440\u043c\u0430"
    )


def test_label_sets_are_looked_at_label_by_label(tmp_path, touch):
    touch("a.png", "b.png", "c.png")
    (tmp_path / "x.csv").write_text(f"file,class\na.png,{CAFE};B\nb.png,{CAFE_APART}\nc.png,none\n", encoding="utf-8")
    assert load(tmp_path / "x.csv", "multi-label").labels == ("B", CAFE)
