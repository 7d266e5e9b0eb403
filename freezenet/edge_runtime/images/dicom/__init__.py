"""DICOM files: recognized by the base install, read with the extra `[dicom]`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from freezenet.edge_runtime.errors import MissingExtraError, install_hint
from freezenet.edge_runtime.images.bounds.cost import HeavyImage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_IMPORTING = threading.Lock()


def read_dicom_gray(data: bytes, trust_tags: bool = True) -> NDArray[np.uint8]:
    """Read the frontal chest X-ray in a DICOM file as gray values (h, w) uint8, 0 black to 255 white.

    Args:
        data: The bytes of the file.
        trust_tags: Refuse a file whose tags say that it shows something else (modality, body part, view). What cannot be
            decoded is refused in any case. `docs/dicom.md` holds the rules.

    Raises:
        DataError: The file is refused, damaged, or larger than `freezenet.edge_runtime.images.limits.MAX_PIXELS`; the
            sentence names the tag.
        MissingExtraError: The extra `dicom` is not installed.
    """
    try:
        return read_dicom_here(data, trust_tags)
    except HeavyImage as heavy:
        from freezenet.edge_runtime.images.bounds.apart import gray_apart

        return gray_apart(data, heavy.cost, trust_tags=trust_tags)


def read_dicom_here(data: bytes, trust_tags: bool = True) -> NDArray[np.uint8]:
    """Read without another process; see `read_dicom_gray`. HeavyImage where a thread may not decode it."""
    try:
        # An import that fails in one thread leaves another with half a module.
        with _IMPORTING:
            from freezenet.edge_runtime.images.dicom.reader import read
    except ModuleNotFoundError as error:
        raise missing_extra(error) from None
    return read(data, trust_tags)


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError:
    """Return the failure that says which package is missing and how to install it."""
    return MissingExtraError(
        f"The package {error.name} is required for DICOM files. Got: it is not installed; {install_hint('dicom')}."
    )
