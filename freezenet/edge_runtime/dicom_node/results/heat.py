"""A class activation map as numbers: a Parametric Map, which viewers that know it lay over the image with colours of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import highdicom
import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes

from freezenet.edge_runtime.dicom_node.results.inherited import inherited
from freezenet.edge_runtime.dicom_node.results.place import (
    NOTICE,
    cut,
    data_errors,
    finish,
    label,
    name_part,
    probabilities,
    series,
    uid,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST = 65535  # of 16 bits: few viewers know the standard's floating-point pixels


@data_errors
def parametric_map(source: Dataset, answer: dict[str, Any], cam: NDArray[np.float32], size: tuple[int, int]) -> Dataset:
    """Return the class activation map of the label, or of the most probable class where there is none, over the whole image.

    Args:
        source: The image's attributes.
        answer: The line of `freezenet predict --json` with `input_sha256` and, if it is to be the same each time, `time`.
        cam: (rows, columns) float32: what each place adds to the class, or takes from it.
        size: Rows and columns of the result, in the proportions of the image.

    Raises:
        DataError: Names the attribute without which there is no result.
    """
    taken = inherited(source)
    rows, columns = size
    spread = np.asarray(cv2.resize(cam.astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC), np.float64)
    low, high = float(spread.min()), float(spread.max())
    slope = (high - low) / _LARGEST or 1.0
    stored = np.clip(np.rint((spread - low) / slope), 0, _LARGEST).astype(np.uint16)
    shares = probabilities(answer)
    # A localized model may answer with a label that is not the most probable one.
    answered = answer["label"] if answer["label"] in shares else None
    mapped = answered or (max(shares, key=shares.__getitem__) if shares else "no class")
    made = highdicom.pm.ParametricMap(
        source_images=[_placed(taken.data, size, uid(taken.data, answer, "map frame of reference"))],
        pixel_array=stored,
        **series(taken.data, answer, "map"),
        device_serial_number=answer["model_sha256"][:16],
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[
            highdicom.pm.RealWorldValueMapping(
                lut_label="CAM",
                lut_explanation=cut(f"Class activation of {label(mapped)}"),
                unit=codes.UCUM.NoUnits,
                value_range=(0, _LARGEST),
                slope=slope,
                intercept=low,
                quantity_definition=highdicom.sr.CodedConcept("cam", "99FREEZENET", "Class activation map"),
            )
        ],
        voi_lut_transformations=[
            highdicom.VOILUTTransformation(window_center=_LARGEST / 2, window_width=float(_LARGEST))
        ],
        content_label="CAM",
        content_description=NOTICE,
    )
    name_part(made, taken.data)
    dimensions = uid(taken.data, answer, "map dimensions")  # highdicom draws a new one each time
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions
    return finish(made, taken, answer)


def _placed(source: Dataset, size: tuple[int, int], frame_of_reference: str) -> Dataset:
    """Return the source with the place in space that the standard asks of a Parametric Map; a projection X-ray has none.

    It is nominal: a frame of reference of the map's own, so that nothing else seems to lie in it, and pixels of 1 mm.
    """
    placed = Dataset()
    placed.update(source)
    placed.Rows, placed.Columns = size
    placed.FrameOfReferenceUID = frame_of_reference
    placed.ImagePositionPatient, placed.ImageOrientationPatient = [0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    placed.PixelSpacing, placed.SliceThickness = [1.0, 1.0], 1.0
    return placed
