"""Pictures as users have them: as they lie in a folder, as PNG, lying on their side with EXIF, and in colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from freezenet.convert.package.golden_pictures import on_its_side
from freezenet.edge_runtime.images.reader import read_gray

KINDS = ("as it is", "PNG", "EXIF", "color")


def varied(files: Sequence[Path], folder: Path) -> list[Path]:
    """Return the files, of which each second, third and fourth of four was written anew into a folder.

    PNG: the same gray values. EXIF: a JPEG that lies on its side, with orientation 6. color: a JPEG with a slight tint, as a phone's.
    """
    made = []
    for number, file in enumerate(files):
        kind = KINDS[number % len(KINDS)]
        gray = None if kind == "as it is" else read_gray(file)
        if gray is None:
            made.append(file)
            continue
        path = folder / f"{number}.{'png' if kind == 'PNG' else 'jpg'}"
        if kind == "PNG":
            content = cv2.imencode(".png", gray)[1].tobytes()
        elif kind == "EXIF":
            lying = np.ascontiguousarray(np.rot90(gray))
            content = on_its_side(cv2.imencode(".jpg", lying, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
        else:
            tint = np.clip(gray[..., None] * np.array([1.04, 1.0, 0.96]), 0, 255).astype(np.uint8)
            content = cv2.imencode(".jpg", tint, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        path.write_bytes(content)
        made.append(path)
    return made
