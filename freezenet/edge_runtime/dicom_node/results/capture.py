"""An answer as a picture: a Secondary Capture, which every viewer shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import highdicom
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from freezenet.edge_runtime.dicom_node.results.caption import captioned
from freezenet.edge_runtime.dicom_node.results.inherited import inherited
from freezenet.edge_runtime.dicom_node.results.place import (
    NOTICE,
    data_errors,
    finish,
    label,
    name_part,
    probabilities,
    said,
    series,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@data_errors
def secondary_capture(source: Dataset, answer: dict[str, Any], picture: NDArray[np.uint8]) -> Dataset:
    """Return the image with its class activation map, the answer and the notice written below it.

    Args:
        source: The image's attributes.
        answer: The line of `freezenet predict --json` with `input_sha256` and, if it is to be the same each time, `time`.
        picture: (h, w, 3) uint8 in OpenCV's order.

    Raises:
        DataError: Names the attribute without which there is no result.
    """
    taken = inherited(source)
    capture = highdicom.sc.SCImage.from_ref_dataset(
        taken.data,
        pixel_array=cv2.cvtColor(captioned(picture, lines(answer)), cv2.COLOR_BGR2RGB),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        # highdicom takes no unknown orientation; the image's own, or none, replaces this one below.
        patient_orientation=("L", "F"),
        **series(taken.data, answer, "sc"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    capture.PatientOrientation = taken.data.PatientOrientation
    name_part(capture, taken.data)
    capture.SourceImageSequence = [_reference(taken.data)]
    capture.BurnedInAnnotation = "YES"
    capture.ImageComments = NOTICE
    return finish(capture, taken, answer)


def lines(answer: dict[str, Any]) -> list[str]:
    """Return what stands below the picture: the answer, each class with its probability, the largest first, model and notice."""
    found = [] if answer["abstained"] else sorted(probabilities(answer).items(), key=lambda one: -one[1])
    shares = [f"{name} {value:.2f}" for name, value in found]
    return [
        ", ".join(said(answer)),
        *([", ".join(shares)] if shares else []),
        f"freezenet {label(answer['model'])}.",
        NOTICE,
    ]


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [
        highdicom.sr.CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)
    ]
    return item
