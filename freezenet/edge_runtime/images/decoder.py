"""OpenCV's decoder, and what the libraries in it say about a file that they decoded all the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from freezenet.edge_runtime.errors import DataError, TemporaryError
from freezenet.edge_runtime.images.overheard import Overheard

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What libjpeg (jerror.h), libpng and OpenCV, for libtiff, print.
_JPEG_HARMLESS = rb"Warning: unknown JFIF revision|Unknown Adobe color transform|Invalid SOS parameters"
_JPEG_DAMAGE = (
    rb"Corrupt JPEG data|Premature end of JPEG|Inconsistent progression|Application transferred too (?:few|many) scanlines|"
    rb"Unsupported marker type"
)
# OpenCV before 4.13 calls all that libtiff says a warning; what its codecs and readers of strips say is damage.
_OLD_TIFF = rb"OpenCV TIFF: (?!TIFF(?:ReadDirectory|Fetch|Advance)|_TIFF)\w+: "
_DAMAGE = re.compile(
    rb"(?:%s)|libpng error|\[ ?ERROR.*TIFF_Error|\[ ?WARN.*TIFF_Warning JPEGLib: (?:%s)|%s|OpenCV TIFF.*[Ee]rror"
    % (_JPEG_DAMAGE, _JPEG_DAMAGE, _OLD_TIFF)
)
# Another thread's line may stand before one of these, without its end. A message of OpenCV may go on in lines that
# begin with ">" or are empty.
_OURS = re.compile(
    rb"(?:(?:%s|%s|libpng |OpenCV TIFF)[^\n]*\n|\[ ?(?:ERROR|WARN|FATAL|INFO|DEBUG)[^\n]*(?:imgcodecs|grfmt|loadsave)[^\n]*\n(?:>[^\n]*\n|\n)*)"
    % (_JPEG_HARMLESS, _JPEG_DAMAGE)
)
# OpenCV's LOG_LEVEL_WARNING and _DEBUG, below which it said nothing of TIFF before 4.13; 0 would be silence.
_WARNING, _DEBUG = 3, 5
_SHOWN = 100

MORE_MEMORY = "A file for which the memory suffices is required. Got: one that needs more; scale it down first."


def decoded(data: bytes, flags: int) -> NDArray | None:
    """Decode a file with OpenCV, which must have been told from its header to be within the limits.

    Args:
        data: The bytes of the file.
        flags: OpenCV's, such as `cv2.IMREAD_GRAYSCALE`.

    Returns:
        The samples (h, w) or (h, w, channels), blue first; None where OpenCV cannot decode them.

    Raises:
        DataError: There are samples, but libjpeg, libpng or libtiff noticed damage.
        TemporaryError: There is not enough memory.
    """
    image, lines = _overheard(lambda: _imdecode(data, flags))
    said = next((line for line in lines if _DAMAGE.match(line)), None)
    if image is not None and said is not None:
        what = re.sub(r"^\[.*TIFF_(Error|Warning) ", "", said.decode("ascii", "replace")).strip()
        what = "".join(sign for sign in what if sign.isprintable())[:_SHOWN].rstrip(".")
        raise DataError(f"A whole image file is required. Got: a damaged one ({what}); copy it again.")
    return image


def _imdecode(data: bytes, flags: int) -> NDArray | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise TemporaryError(MORE_MEMORY) from None
        return None


def _log_warnings() -> Callable[[], object]:
    is_old = not hasattr(cv2.utils, "logging")  # before OpenCV 4.13
    levels: Any = cv2 if is_old else cv2.utils.logging
    before = levels.getLogLevel()
    levels.setLogLevel(_DEBUG if is_old else _WARNING)
    return lambda: levels.setLogLevel(before)


_overheard = Overheard(_log_warnings, _OURS)
