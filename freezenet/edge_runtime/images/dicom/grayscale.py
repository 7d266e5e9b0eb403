"""From stored values to gray values: modality, values of interest, polarity, in the order of PS3.4, N.2.

A projection X-ray has at most 16 bits, so each step is done once for each possible code of the file and the image is
looked up in the resulting table: exact, and many times faster than doing it for each pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.dicom.samples import SampleFormat
from freezenet.edge_runtime.images.dicom.tags import integer, item, named, number, shown, text
from freezenet.edge_runtime.images.gray import ONE_IN, bit_depth, holding, sample_counts, scaled

# Rows looked up at a time: they stay in the processor's cache, and so do NumPy's 8-byte indices.
_ROWS = 64


def displayed(codes: NDArray, form: SampleFormat, data: Dataset) -> NDArray[np.uint8]:
    """Return the gray values (h, w) uint8, 0 black to 255 white, of codes (h, w) uint8 or uint16.

    Args:
        codes: The samples as the file holds them.
        form: Where in a code the value lies.
        data: The data set with Photometric Interpretation, and optionally rescale, tables, windows and padding.
    """
    stored = form.values(np.arange(1 << (8 * codes.itemsize)))
    padding = _padding(stored, form, data)
    gray = _of_interest(_modality(stored, data), data)
    if gray is None:
        gray = _full_range(np.where(padding, 0, sample_counts(codes)), stored, data)
    if text(data, "PhotometricInterpretation") == "MONOCHROME1":
        gray = 255 - gray
    # Padding lies outside of the image (PS3.3, C.7.5.1.1.2): it takes part in no step and is the viewer's background.
    gray[padding] = 0
    out = np.empty(codes.shape, np.uint8)
    for row in range(0, len(codes), _ROWS):
        np.take(gray, codes[row : row + _ROWS], out=out[row : row + _ROWS], mode="clip")
    return out


def _modality(stored: NDArray, data: Dataset) -> NDArray:
    """Return the output of the modality transformation: table, or slope and intercept, or the stored values."""
    table = _given_table(data, "ModalityLUTSequence")
    if table is not None:
        return _looked_up(stored, *_table(table))
    slope, intercept = _rescale(data)
    return stored if (slope, intercept) == (1, 0) else stored * slope + intercept


def _of_interest(values: NDArray, data: Dataset) -> NDArray[np.uint8] | None:
    """Return gray values by the VOI table or the first window; None where the file gives neither."""
    table = _given_table(data, "VOILUTSequence")
    if table is not None:
        entries, offset = _table(table)
        return _looked_up(values, scaled(entries[None], holding(int(entries.max())))[0], offset)
    center, width = number(data, "WindowCenter"), number(data, "WindowWidth")
    # Exporters write a width of 0 for "no window", and the standard's formulas need at least 1.
    if center is None or width is None or width < 1:
        return None
    function = (text(data, "VOILUTFunction") or "LINEAR").upper()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise DataError(
            f"LINEAR, LINEAR_EXACT or SIGMOID in {named('VOILUTFunction')} is required. Got: {shown(function)}; "
            "export the image again."
        )
    window = Dataset()
    window.WindowCenter, window.WindowWidth, window.VOILUTFunction = center, width, function
    # An unsigned image of 8 bits without rescale: so the output is 0..255.
    window.PhotometricInterpretation, window.BitsStored, window.PixelRepresentation = "MONOCHROME2", 8, 0
    with np.errstate(over="ignore"):  # the sigmoid's exponential, far outside of the window
        return np.rint(apply_windowing(values, window)).astype(np.uint8)


def _full_range(counts: NDArray, stored: NDArray, data: Dataset) -> NDArray[np.uint8]:
    """Return gray values where no window is given: the full range of the bit depth becomes 0..255, as for a PNG.

    A slope and an intercept shift and stretch values and range alike, so they leave the stored values as they are; a
    negative slope turns black and white around. counts: how often the image holds each code outside of the padding.
    """
    levels = _modality(stored, data) if _given_table(data, "ModalityLUTSequence") is not None else stored
    allowed = int(counts.sum(dtype=np.float64)) // ONE_IN
    if counts[levels < 0].sum(dtype=np.float64) > allowed:
        levels = levels + (1 << (_signed_depth(counts, levels, allowed) - 1))
    levels = np.clip(levels, 0, 65535).astype(np.uint16)
    gray = scaled(levels[None], bit_depth(np.bincount(levels, counts, minlength=65536)))[0]
    return 255 - gray if _rescale(data)[0] < 0 else gray


def _signed_depth(counts: NDArray, levels: NDArray, allowed: int) -> int:
    """Return the smallest depth of signed values that holds all samples but the allowed number."""
    for bits in (8, 10, 12, 14):
        outside = (levels < -(1 << (bits - 1))) | (levels >= 1 << (bits - 1))
        if counts[outside].sum(dtype=np.float64) <= allowed:
            return bits
    return 16


def _rescale(data: Dataset) -> tuple[float, float]:
    """Return slope and intercept; 1 and 0 where they are not given or a modality table stands in their place."""
    slope, intercept = number(data, "RescaleSlope"), number(data, "RescaleIntercept")
    if slope is None or intercept is None or _given_table(data, "ModalityLUTSequence") is not None:
        return 1.0, 0.0
    if slope == 0:
        raise DataError(
            f"A number other than 0 in {named('RescaleSlope')} is required. Got: 0; export the image again."
        )
    return slope, intercept


def _padding(stored: NDArray, form: SampleFormat, data: Dataset) -> NDArray[np.bool_]:
    """Return which codes are padding; a second value, where given, ends a range."""
    if number(data, "PixelPaddingValue") is None:
        return np.zeros(stored.shape, bool)
    one = integer(data, "PixelPaddingValue")
    other = integer(data, "PixelPaddingRangeLimit", one)
    # Written as unsigned into a signed image, e.g. 63536 for -2000.
    low, high = sorted(value - 65536 if form.signed and value > 32767 else value for value in (one, other))
    inside = (low <= stored) & (stored <= high)
    if (
        not form.signed and high >> form.bits
    ):  # larger than a value can be, e.g. 65535 for 12 bits: so the whole code says it
        codes = np.arange(len(stored))
        inside |= (low <= codes) & (codes <= high)
    return inside


def _given_table(data: Dataset, keyword: str) -> Dataset | None:
    """Return the first item of a look-up table's sequence; None where there is none, or an empty one as some devices write."""
    table = item(data, keyword)
    return None if table is None or ("LUTData" not in table and "LUTDescriptor" not in table) else table


def _table(table: Dataset) -> tuple[NDArray[np.uint16], int]:
    """Return the entries of a look-up table and the input value of its first entry.

    The third number of the descriptor, the bits of an entry, is not relied on: files with tables of 10 bits that say 16
    are common. What counts is the largest entry, as for the samples of an image.
    """
    try:
        count, offset, _ = (int(value) for value in table.LUTDescriptor)
        content = table.LUTData
        if isinstance(content, bytes):
            little = table.original_encoding[1] is not False
            # Entries of 8 bits may be packed, two to a word.
            width = "u1" if len(content) < 2 * (count or 65536) else "<u2" if little else ">u2"
            entries = np.frombuffer(content, width)
        else:
            entries = np.atleast_1d(np.asarray(content))
        entries = entries[: count or 65536]
        if len(entries) != (count or 65536) or entries.min() < 0 or entries.max() > 65535:
            raise ValueError("incomplete")
    except Exception:  # a damaged value may break its converter anywhere
        raise DataError(
            f"A whole table in {named('LUTData')}, as {named('LUTDescriptor')} describes it, is required. "
            "Got: a damaged one; export the image again."
        ) from None
    return entries.astype(np.uint16), offset


def _looked_up(values: NDArray, entries: NDArray, offset: int) -> NDArray:
    """Return the entries for values; those before the first and behind the last take these (PS3.3, C.11.1.1)."""
    return entries[np.clip(np.rint(values) - offset, 0, len(entries) - 1).astype(np.int64)]
