"""Whole files of every format, drawn: what the mutations start from. No patient's image is among them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import MissingExtraError
from freezenet.train.data.phantoms import draw_phantom
from studies.stress.fuzz import dicom, png, tiff
from studies.stress.fuzz.model import small_model

#: Height and width of the drawn images: above the smallest that is read, and small, so that many fit into a minute.
SHAPE = (72, 56)


def corpus(model: Path) -> dict[str, bytes]:
    """Return name -> file, e.g. "png/gray16"; the part before the slash is the format. Always in the same order.

    model: the .tflite file whose card and archive become the model file of the corpus.
    DICOM is left out where pydicom is not installed.
    """
    gray = draw_phantom("Focal", SHAPE[0], np.random.default_rng(1))[:, : SHAPE[1]].copy()
    color = np.dstack(
        [gray, np.roll(gray, 9, 0), draw_phantom("Diffuse", SHAPE[0], np.random.default_rng(2))[:, : SHAPE[1]]]
    )
    files = dict(_pillow_files(gray, color))
    files |= {f"png/{name}": data for name, data in png.variants(gray, color)}
    files |= {f"tiff/{name}": data for name, data in tiff.variants(gray, color)}
    if dicom.available():
        files |= {f"dicom/{name}": data for name, data in dicom.variants(gray, color)}
    files["tflite/card"] = small_model(model)
    return dict(sorted(files.items()))


def _pillow_files(gray: NDArray, color: NDArray) -> Iterator[tuple[str, bytes]]:
    """Yield what Pillow writes."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingExtraError(
            "The package pillow is required for the corpus. Got: it is not installed; run: pip install 'freezenet[dev]'."
        ) from None

    def saved(image: Any, kind: str, **options: Any) -> bytes:
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        return stream.getvalue()

    one, three = Image.fromarray(gray), Image.fromarray(color)
    alpha = three.copy()
    alpha.putalpha(one)
    exif = Image.Exif()
    exif[0x112], exif[0x10E] = 6, "drawn"
    yield "jpeg/gray", saved(one, "JPEG")
    yield "jpeg/colour", saved(three, "JPEG", quality=80)
    yield "jpeg/colour-444", saved(three, "JPEG", subsampling=0)
    yield "jpeg/progressive", saved(three, "JPEG", progressive=True)
    yield "jpeg/progressive-gray", saved(one, "JPEG", progressive=True)
    yield "jpeg/cmyk", saved(three.convert("CMYK"), "JPEG")
    yield "jpeg/exif", saved(three, "JPEG", exif=exif, comment=b"drawn")
    yield "jpeg/restart", saved(three, "JPEG", restart_marker_rows=1)
    yield "jpeg/large", saved(one.resize((1024, 1024)), "JPEG")
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "LA", "F", "I"):
        image = {"RGB": three, "RGBA": alpha, "LA": alpha.convert("LA")}.get(mode) or (
            three if mode == "CMYK" else one
        ).convert(mode)
        yield f"tiff/{mode.lower()}", saved(image, "TIFF")
    for compression in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        yield f"tiff/{compression.removeprefix('tiff_')}", saved(three, "TIFF", compression=compression)
    yield "tiff/group4", saved(one.convert("1"), "TIFF", compression="group4")
    yield "tiff/gray-alpha-16", tiff.written(np.dstack([gray, gray]).astype(np.uint16) * 257)
    yield "tiff/pages", saved(one, "TIFF", save_all=True, append_images=[three, alpha])
    yield "tiff/bigtiff", saved(three, "TIFF", big_tiff=True)
    for mode in ("1", "L", "P", "RGB"):
        yield f"bmp/{mode.lower()}", saved((three if mode in "RGB" else one).convert(mode), "BMP")
    yield "bmp/rgba", saved(alpha, "BMP")
    yield "webp/lossy", saved(three, "WEBP", quality=80)
    yield "webp/lossless", saved(three, "WEBP", lossless=True)
    yield "webp/alpha", saved(alpha, "WEBP", quality=80, exif=exif)
    yield (
        "webp/animated",
        saved(three, "WEBP", save_all=True, append_images=[three.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]),
    )
    yield "webp/xmp", saved(one, "WEBP", xmp=b"<x/>")
