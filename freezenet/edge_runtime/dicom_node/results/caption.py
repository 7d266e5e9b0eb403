"""Lines of text below a picture, measured and wrapped, so that no width cuts any of them off."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A narrower picture gets a black margin on its right, because words need room.
LEAST_WIDTH = 320
#: Height of a line in pixels: a share of the width, within these bounds.
_SHARE, _LEAST_LINE, _MOST_LINE = 34 / 900, 16, 40
_FONT, _WHITE = cv2.FONT_HERSHEY_SIMPLEX, (255, 255, 255)
#: What the fonts in OpenCV 5 hold, by the beginnings of Unicode's names; before, they hold ASCII. All else, and what runs from
#: right to left, would become question marks or stand in the wrong order.
_SCRIPTS = ("LATIN ", "GREEK ", "CYRILLIC ", "CJK UNIFIED IDEOGRAPH-", "HANGUL SYLLABLE ", "HIRAGANA ", "KATAKANA")
_DRAWS_SCRIPTS = hasattr(cv2, "FontFace")


def captioned(picture: NDArray[np.uint8], texts: Sequence[str]) -> NDArray[np.uint8]:
    """Return the picture with the texts below it, each beginning on a line of its own.

    Args:
        picture: (h, w, 3) uint8; its pixels stay as they are.
        texts: Any number, of any length.

    Returns:
        (h + lines, max(w, LEAST_WIDTH), 3) uint8.
    """
    height, width = picture.shape[0], max(picture.shape[1], LEAST_WIDTH)
    line = round(min(max(width * _SHARE, _LEAST_LINE), _MOST_LINE))
    scale, thickness, margin = line / 42, max(1, round(line / 17)), line // 3

    def fits(text: str) -> bool:
        return bool(cv2.getTextSize(text, _FONT, scale, thickness)[0][0] <= width - 2 * margin)

    rows = [row for text in texts for row in wrapped(drawable(text), fits)]
    below = np.zeros((line * len(rows) + line // 2, width, 3), np.uint8)
    for number, row in enumerate(rows, 1):
        cv2.putText(below, row, (margin, number * line), _FONT, scale, _WHITE, thickness, cv2.LINE_AA)
    above = np.zeros((height, width, 3), np.uint8)
    above[:, : picture.shape[1]] = picture
    return np.concatenate([above, below])


def wrapped(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Return the rows of a text: broken between words, and within a word where it alone does not fit."""
    rows, row = [], ""
    for word in text.split():
        if row and fits(f"{row} {word}"):
            row += f" {word}"
            continue
        if row:
            rows.append(row)
        row = word
        while not fits(row) and len(row) > 1:
            most = next((length for length in range(len(row) - 1, 1, -1) if fits(row[:length])), 1)
            rows.append(row[:most])
            row = row[most:]
    return [*rows, row] if row else rows


def drawable(text: str, *, scripts: bool = _DRAWS_SCRIPTS) -> str:
    """Return a text as OpenCV can draw it: a letter that it has not loses its accent or is written as <U+0E1B>."""

    def drawn(one: str) -> bool:
        return " " <= one <= "~" or (scripts and unicodedata.name(one, "").startswith(_SCRIPTS))

    plain = ""
    for one in unicodedata.normalize("NFC", text):
        simple = "".join(part for part in unicodedata.normalize("NFKD", one) if not unicodedata.combining(part))
        if drawn(one):
            plain += one
        elif simple and all(map(drawn, simple)):
            plain += simple
        else:
            plain += f"<U+{ord(one):04X}>"
    return plain
