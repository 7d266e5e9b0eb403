"""Names of classes that a person can tell apart: one spelling of accents, no invisible characters, no look-alike letters."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import Dataset
from freezenet.train.data.label_sets import NONE
from freezenet.train.data.layouts.columns import NULL_WORDS

#: Control, format, surrogate, private use, separators of lines and paragraphs. The joiners belong to Persian and Indic words.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"
#: Cyrillic and Greek letters -> the Latin ones that look the same in most fonts (Unicode UTS 39, confusables.txt).
_ALIKE = str.maketrans(
    "АВСЕНІЈКМОРЅТХУѴаеорсухіјѕԁһԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧανορυϳ",
    "ABCEHIJKMOPSTXYVaeopcyxijsdhqwABEZHIKMNOPTYXavopuj",
)


def with_sound_names(dataset: Dataset) -> Dataset:
    """Give each class one spelling.

    Raises:
        DataError: a name holds characters that nobody sees, is a word for nothing, or looks like another's.
    """
    task = dataset.task
    for label in dataset.labels:
        if any(unicodedata.category(one) in _UNSEEN and one not in _JOINERS for one in label):
            raise DataError(
                f"Class names without line breaks and other invisible characters are required. Got: {label!r}; rename the class."
            )
        if label.casefold() in NULL_WORDS and label != NONE:
            raise DataError(
                f"A class name is required. Got: {label!r}, a word for nothing; rename the class if it is one."
            )
    spellings = {
        text: task.text_of(tuple(sorted({unicodedata.normalize("NFC", label) for label in task.labels_of(text)})))
        for text in dataset.classes
    }
    joined = sorted({spelling for text, spelling in spellings.items() if text != spelling and spelling in spellings})
    if joined:
        note = f"Classes in two spellings of their accents, which are one each: {', '.join(joined)}."
        dataset = replace(dataset, notes=(*dataset.notes, note))
    if any(text != spelling for text, spelling in spellings.items()):
        samples = tuple(replace(sample, label=spellings[sample.label]) for sample in dataset.samples)
        dataset = replace(dataset, samples=samples)
    seen: dict[str, str] = {}
    for label in dataset.labels:
        other = seen.setdefault(_look(label), label)
        if other != label:
            raise DataError(
                f"Class names that can be told apart are required. Got: {other!a} and {label!a}, which look alike; rename one of them "
                "as the other."
            )
    return dataset


def _look(label: str) -> str:
    """Return what two names have in common that look alike."""
    return " ".join(unicodedata.normalize("NFKC", label).translate(_ALIKE).split())
