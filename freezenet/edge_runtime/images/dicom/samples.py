"""Where in a code the value lies, and whether the values are what the tags say of them.

A depth or a sign that contradicts the samples would cut the brightest of them or wrap them around, and the picture would
look like one all the same. So each image is either read by what its samples are or refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.dicom.tags import integer, named, number
from freezenet.edge_runtime.images.gray import ONE_IN

#: (60xx,0102), Overlay Bit Position: an overlay in bits beside the value, as was allowed until 2004.
OVERLAY_BITS = tuple(Tag(0x60000102 + 0x20000 * group) for group in range(16))


@dataclass(frozen=True)
class SampleFormat:
    """Where in a code (a sample as the file holds it, 8 or 16 bits) the value lies.

    Args:
        bits: Of the value.
        high_bit: Its highest, 0 the lowest of the code.
        signed: Whether it is in two's complement.
    """

    bits: int
    high_bit: int
    signed: bool

    def values(self, codes: NDArray) -> NDArray[np.int32]:
        """Return the stored values of codes; bits outside of the value, e.g. an old overlay, are left out."""
        values = (codes.astype(np.int32) >> (self.high_bit + 1 - self.bits)) & ((1 << self.bits) - 1)
        if self.signed:
            values[values >= 1 << (self.bits - 1)] -= 1 << self.bits
        return values


@dataclass(frozen=True)
class Codestream:
    """Width, height, samples per pixel, bits per sample and their sign by a codestream's own header."""

    name: str
    width: int
    height: int
    components: int
    bits: int
    signed: bool = False

    def form(self, tagged: SampleFormat) -> SampleFormat:
        """Return where in a decoded sample the value lies, by the stream and by what the tags say.

        JPEG 2000 tells the truth about the depth of its samples, and lossy JPEG may overshoot Bits Stored. Lossless JPEG and
        JPEG-LS hold the stored bits, whatever the depth of the stream.
        """
        bits = tagged.bits
        if self.name in ("JPEG 2000", "JPEG"):
            bits = self.bits if self.signed or not tagged.signed else min(self.bits, tagged.bits)
        return SampleFormat(bits, bits - 1, tagged.signed)

    def check(self, codes: NDArray, tagged: SampleFormat) -> None:
        """Raise DataError where the tags contradict decoded samples, uint8 or uint16, negative ones in two's complement."""
        form = self.form(tagged)
        if not self._has_the_sign(tagged):
            sign_bit = 8 * codes.itemsize - 1 if self.signed else self.bits - 1
            if np.any(codes >> sign_bit & 1):
                own = "signed" if self.signed else "unsigned"
                raise DataError(
                    f"{int(self.signed)} in {named('PixelRepresentation')}, as the {self.name} image with {own} samples of "
                    f"{self.bits} bits says, is required. Got: {int(tagged.signed)} with {tagged.bits} in {named('BitsStored')}; "
                    "export it again."
                )
        if np.any(_outside(codes, form)):
            raise DataError(
                f"Values of {form.bits} bits, as {named('BitsStored')} says, is required. Got: larger ones in the {self.name} "
                "image; export it again."
            )

    def _has_the_sign(self, tagged: SampleFormat) -> bool:
        if self.signed or not tagged.signed:
            return self.signed == tagged.signed
        # Two's complement in unsigned samples is what encoders write that know no sign; in lossy JPEG it would be noise.
        return self.name != "JPEG" and self.bits >= tagged.bits


def check_unused_bits(codes: NDArray, form: SampleFormat, data: Dataset) -> None:
    """Raise DataError where bits above the value are used, though no tag says for what: the value would be cut.

    One sample in ONE_IN may be odd, and so may padding.
    """
    if any(tag in data for tag in OVERLAY_BITS):
        return
    odd = _outside(codes, SampleFormat(form.high_bit + 1, form.high_bit, form.signed))
    if not np.any(odd):
        return
    if number(data, "PixelPaddingValue") is not None:
        one = integer(data, "PixelPaddingValue")
        full = 1 << 8 * codes.itemsize
        # Negative ones come last, so a range is compared from its own beginning.
        low, high = sorted((one, integer(data, "PixelPaddingRangeLimit", one)))
        odd &= (codes.astype(np.int32) - low) % full > high - low
    if np.count_nonzero(odd) > codes.size // ONE_IN:
        raise DataError(
            f"Values of {form.bits} bits up to bit {form.high_bit}, as {named('BitsStored')} and {named('HighBit')} say, is required. "
            "Got: samples with bits in use above it; export the image again."
        )


def _outside(codes: NDArray, form: SampleFormat) -> NDArray[np.bool_]:
    """Return which codes have bits above the value that do not just go on with its sign."""
    width = 8 * codes.itemsize
    if form.bits >= width:
        return np.zeros(codes.shape, bool)
    above = codes >> form.bits
    odd = above != 0
    if form.signed:
        odd &= (codes >> (form.bits - 1)) != (1 << (width - form.bits + 1)) - 1
    return odd
