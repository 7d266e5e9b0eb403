"""The one frame of a DICOM file, checked against the tags before a decoder sees it.

Decoders written in C trust the header of what they are given; a header that contradicts the tags is refused here. The
coding is told by the frame's own beginning, since the transfer syntax names only its family.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels import get_decoder

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.bounds.cost import Cost, codestream_cost, samples_cost, unbounded_cost
from freezenet.edge_runtime.images.bounds.memory import room
from freezenet.edge_runtime.images.decoder import decoded
from freezenet.edge_runtime.images.dicom.samples import Codestream, SampleFormat
from freezenet.edge_runtime.images.dicom.tags import integer, named
from freezenet.edge_runtime.images.header import check_jpeg, is_cut_off, jpeg_frame
from freezenet.edge_runtime.images.limits import check_size

#: Transfer syntaxes whose frames are JPEG, JPEG-LS or JPEG 2000 codestreams.
JPEG_FAMILY = frozenset({uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1,
                         uid.JPEGLSLossless, uid.JPEGLSNearLossless, uid.JPEG2000Lossless, uid.JPEG2000,
                         uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K})  # fmt: skip
#: Transfer syntaxes without compression of the pixels.
NATIVE = frozenset({uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian,
                    uid.DeflatedExplicitVRLittleEndian})  # fmt: skip
#: All that are read.
SUPPORTED = NATIVE | JPEG_FAMILY | {uid.RLELossless}

# Frame markers of JPEG: 8 bits with Huffman coding, lossless, JPEG-LS.
_LOSSY, _LOSSLESS, _JPEG_LS = (0xC0, 0xC1, 0xC2), 0xC3, 0xF7
# Start of a JPEG 2000 codestream and of its size segment: ITU-T T.800, A.4.1 and A.5.1.
_JPEG_2000 = b"\xff\x4f\xff\x51"
_JPEG_2000_LISTS = 64 << 20
# Segments and frames are each padded to an even length.
_MOST_PADDING = 3
#: Encoders write one fragment, or one for each slice of a frame.
_MOST_FRAGMENTS = 10_000
_ITEM = b"\xfe\xff\x00\xe0"
_DAMAGED = (
    f"in {named('PixelData')} is required. Got: one that cannot be decoded (damaged or truncated); copy it again."
)


@dataclass(frozen=True)
class Frame:
    """A frame whose header agrees with the tags.

    Args:
        tagged: Where in a code the value lies by the tags.
        name: Of the coding, for a sentence.
        stream: What a codestream says of its samples, which are values; other codings hold codes.
        cost: Of decoding it.
    """

    tagged: SampleFormat
    name: str
    _decode: Callable[[], NDArray | None]
    cost: Cost
    stream: Codestream | None = None

    @property
    def form(self) -> SampleFormat:
        """Where in a code the value lies."""
        return self.tagged if self.stream is None else self.stream.form(self.tagged)

    def codes(self, rows: int, columns: int) -> NDArray:
        """Decode: the codes (rows, columns) uint8 or uint16; DataError with one sentence for a damaged frame."""
        with room(self.cost):
            return self._codes(rows, columns)

    def _codes(self, rows: int, columns: int) -> NDArray:
        try:
            codes = self._decode()
            if codes is None or codes.shape != (rows, columns) or codes.dtype.itemsize > 2:
                raise ValueError("incomplete")
            codes = codes if codes.dtype.isnative else codes.astype(codes.dtype.newbyteorder("="))
            codes = codes.view(f"u{codes.dtype.itemsize}")
        except Exception:  # each decoder raises what it likes
            raise DataError(f"A whole {self.name} image {_DAMAGED}") from None
        if self.stream is not None:
            self.stream.check(codes, self.tagged)
        return codes


def open_frame(data: Dataset, syntax: uid.UID) -> Frame:
    """Return the frame of a data set with one gray frame; DataError where tags and frame contradict each other."""
    rows, columns = integer(data, "Rows"), integer(data, "Columns")
    check_size(columns, rows)
    allocated = integer(data, "BitsAllocated")
    if allocated not in (8, 16):
        raise DataError(f"8 or 16 in {named('BitsAllocated')} is required. Got: {allocated}; export the image again.")
    form = _sample_format(data, allocated)
    if syntax in NATIVE:
        return _native(data, syntax, rows, columns, allocated, form)
    if data.PixelData.count(_ITEM) > _MOST_FRAGMENTS:
        raise DataError(
            f"An image in at most {_MOST_FRAGMENTS} fragments of {named('PixelData')} is required. Got: more; export it again."
        )
    try:
        frame = get_frame(data.PixelData, 0, number_of_frames=1)
    except Exception:  # a damaged value may break the parser anywhere
        raise DataError(f"A whole compressed image {_DAMAGED}") from None
    if syntax == uid.RLELossless:
        cost = codestream_cost(rows * columns, len(frame))
        return Frame(form, "RLE", partial(_run_lengths, frame, rows, columns, allocated // 8), cost)
    stream, decode, cost = _codestream(frame, syntax, rows * columns)
    if (stream.height, stream.width, stream.components) != (rows, columns, 1) or not 2 <= stream.bits <= 16:
        raise DataError(
            f"A {stream.name} image of {columns} x {rows} gray pixels, as {named('Columns')} and {named('Rows')} say, is required. "
            f"Got: {stream.width} x {stream.height} with {stream.components} samples of {stream.bits} bits; export it again."
        )
    return Frame(form, stream.name, decode, cost, stream)


def _sample_format(data: Dataset, allocated: int) -> SampleFormat:
    stored = integer(data, "BitsStored", allocated)
    high_bit = integer(data, "HighBit", stored - 1)
    if not (1 <= stored <= allocated and stored - 1 <= high_bit < allocated):
        raise DataError(
            f"{named('BitsStored')} and {named('HighBit')} within the {allocated} bits of {named('BitsAllocated')} is "
            f"required. Got: {stored} and {high_bit}; export the image again."
        )
    return SampleFormat(stored, high_bit, signed=integer(data, "PixelRepresentation", 0) == 1)


def _native(data: Dataset, syntax: uid.UID, rows: int, columns: int, allocated: int, form: SampleFormat) -> Frame:
    expected = rows * columns * allocated // 8
    if len(data.PixelData) < expected:
        raise DataError(
            f"{expected} bytes in {named('PixelData')} is required. Got: {len(data.PixelData)}, a truncated file; "
            "copy it again."
        )
    decode = partial(
        _uncompressed,
        data.PixelData,
        syntax,
        pixel_keyword="PixelData",
        # Big-endian 8-bit pixels in words are swapped in pairs.
        pixel_vr=data["PixelData"].VR,
        rows=rows,
        columns=columns,
        samples_per_pixel=1,
        number_of_frames=1,
        photometric_interpretation="MONOCHROME2",
        bits_allocated=allocated,
        # The codes as they are; which of their bits count is the business of `form`.
        bits_stored=allocated,
        pixel_representation=0,
    )
    cost = samples_cost((columns, rows), 1, allocated // 8, len(data.PixelData), is_deflated=False)
    return Frame(form, "uncompressed", decode, cost)


def _codestream(frame: bytes, syntax: uid.UID, pixels: int) -> tuple[Codestream, Callable[[], NDArray | None], Cost]:
    """Return header, decoder and cost of a JPEG, JPEG-LS or JPEG 2000 codestream, by tags of so many pixels."""
    header = jpeg_frame(frame) if frame[:2] == b"\xff\xd8" else None
    if header is None:
        # Behind the boxes of a JP2 file, which some writers leave.
        stream = frame[max(frame.find(_JPEG_2000, 0, 1024), 0) :]
        if not stream.startswith(_JPEG_2000) or len(stream) < 45:
            raise DataError(f"A whole {syntax.name} image {_DAMAGED}")
        # 4 bytes for a coefficient, 2 for a sample, then our copies; and the decoder's lists of blocks and tiles.
        cost = unbounded_cost(9 * pixels + _JPEG_2000_LISTS)
        return _jpeg_2000(stream), partial(imagecodecs.jpeg2k_decode, stream), cost
    if is_cut_off(frame):
        raise DataError(f"A whole {syntax.name} image {_DAMAGED}")
    jpeg = check_jpeg(frame, header)
    cost = codestream_cost(pixels, len(frame))
    decode: Callable[[], NDArray | None]
    if header.marker in _LOSSY and header.bits in (8, 12):
        name, cost = "JPEG", Cost(jpeg.seconds, jpeg.memory + 6 * pixels)
        eight = partial(decoded, frame, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
        decode = eight if header.bits == 8 else partial(imagecodecs.jpeg8_decode, frame)
    elif header.marker == _LOSSLESS:
        name, decode = "lossless JPEG", partial(imagecodecs.jpeg8_decode, frame)
    elif header.marker == _JPEG_LS:
        name, decode = "JPEG-LS", partial(imagecodecs.jpegls_decode, frame)
    else:
        raise DataError(
            "JPEG of 8 or 12 bits, lossless JPEG, JPEG-LS or JPEG 2000 is required. "
            f"Got: another coding of {header.bits} bits in {named('TransferSyntaxUID')} '{syntax.name}'; export it uncompressed, or convert it "
            "with `dcmdjpeg IN OUT`."
        )
    return Codestream(name, header.width, header.height, header.components, header.bits), decode, cost


def _jpeg_2000(stream: bytes) -> Codestream:
    """Read the size segment: ITU-T T.800, table A.9."""
    right, lower, left, upper = (int.from_bytes(stream[at : at + 4], "big") for at in (8, 12, 16, 20))
    depth, components = stream[42], int.from_bytes(stream[40:42], "big")
    # The highest bit of the depth says that samples are signed.
    return Codestream("JPEG 2000", right - left, lower - upper, components, (depth & 0x7F) + 1, signed=depth > 0x7F)


def _run_lengths(frame: bytes, rows: int, columns: int, itemsize: int) -> NDArray:
    try:
        content = imagecodecs.dicomrle_decode(frame, f"<u{itemsize}", out=rows * columns * itemsize)
        return np.frombuffer(content, f"<u{itemsize}").reshape(rows, columns)
    except Exception:  # of imagecodecs: a padding that it takes for a run
        return _padded_run_lengths(frame, rows, columns, itemsize)


def _padded_run_lengths(frame: bytes, rows: int, columns: int, itemsize: int) -> NDArray:
    """Decode segments (PS3.5, G.5) that are padded with something else than zeros, such as blanks."""
    starts = [int.from_bytes(frame[at : at + 4], "little") for at in range(4, 4 + 4 * itemsize, 4)]
    if int.from_bytes(frame[:4], "little") != itemsize:
        raise ValueError("another number of segments than bytes of a sample")
    ends = [*starts[1:], len(frame)]
    planes = [_run_length_plane(frame[start:end], rows * columns) for start, end in zip(starts, ends, strict=True)]
    # The most significant byte comes first.
    return np.stack(planes, axis=-1).view(f">u{itemsize}").reshape(rows, columns)


def _run_length_plane(segment: bytes, size: int) -> NDArray[np.uint8]:
    for padding in range(_MOST_PADDING + 1):
        try:
            # Not more than fits: two bytes may stand for 128.
            content = imagecodecs.packbits_decode(segment[: len(segment) - padding], out=size + _MOST_PADDING + 1)
        except Exception:  # imagecodecs' own class, which differs from version to version
            continue
        if size <= len(content) <= size + _MOST_PADDING:
            return np.frombuffer(content, np.uint8, size)
    raise ValueError("incomplete")


def _uncompressed(content: bytes, syntax: uid.UID, **options: Any) -> NDArray:
    return get_decoder(syntax).as_array(content, index=0, raw=True, **options)[0]
