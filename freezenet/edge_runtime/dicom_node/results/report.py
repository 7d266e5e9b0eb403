"""An answer as DICOM objects that every archive and viewer knows: a Structured Report and a Secondary Capture.

Both stand in the study and name the image they speak of. Their UIDs follow from the image's content, the model and the kind, so a
repetition after a power cut gives the same objects, and the archive keeps one.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Any

import cv2
import highdicom
import numpy as np
from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANUFACTURER = "freezenet"
#: Shown in every result: the archive's reader sees nothing else of this software.
NOTICE = "Research use only. Not a diagnosis."

# The labels are the user's own classes, so no public coding scheme holds them.
_SCHEME = "99FREEZENET"
_NUMBERS = {"sr": 9701, "sc": 9702}
#: What the objects take over from the image, with the value where the image lacks it (type 2: may be empty).
_INHERITED = {
    "PatientID": "", "PatientName": "", "PatientBirthDate": "", "PatientSex": "", "StudyInstanceUID": None,
    "StudyID": "", "StudyDate": "", "StudyTime": "", "AccessionNumber": "", "ReferringPhysicianName": "",
    "SOPClassUID": None, "SOPInstanceUID": None, "SeriesInstanceUID": None, "Modality": "",
    "PatientOrientation": "", "BodyPartExamined": "",
}  # fmt: skip


def structured_report(source: Dataset, answer: dict[str, Any]) -> Dataset:
    """Return a Comprehensive SR by template TID 1500 (DICOM PS3.16) with the label and the probability of each class.

    The report is preliminary and unverified, because no person has looked at it.

    Args:
        source: The image's attributes.
        answer: The line of `freezenet predict --json`.

    Raises:
        ValueError: Names an attribute without which there is no result.
    """
    source = _inheritable(source)
    algorithm = highdicom.sr.AlgorithmIdentification(
        name=f"freezenet {answer['model']}",
        version=answer["model_sha256"][:16],
        parameters=[f"runtime {answer['runtime']}", f"card {answer['card_sha256'][:16]}", NOTICE],
    )
    group = highdicom.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=highdicom.sr.TrackingIdentifier(
            uid=_uid(source, answer, "tracking"), identifier="Classification of the whole image"
        ),
        algorithm_id=algorithm,
        qualitative_evaluations=[
            highdicom.sr.QualitativeEvaluation(
                name=CodedConcept("answer", _SCHEME, "Answer of the model"), value=_code(said)
            )
            for said in _said(answer)
        ],
        measurements=[
            highdicom.sr.Measurement(
                name=_code(f"Probability of {label}"),
                value=probability,
                unit=codes.UCUM.NoUnits,
            )
            for label, probability in answer["probabilities"].items()
        ],
        source_images=[highdicom.sr.SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID)],
    )
    observer = highdicom.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=highdicom.sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=[answer["model_sha256"]]),
            manufacturer_name=MANUFACTURER,
            model_name=answer["model"],
        ),
    )
    report = highdicom.sr.MeasurementReport(
        observation_context=highdicom.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.SCT.ChestImaging,
        imaging_measurements=[group],
    )
    return highdicom.sr.ComprehensiveSR(
        evidence=[source],
        content=report,
        **_place(source, answer, "sr"),
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
    )


def secondary_capture(source: Dataset, answer: dict[str, Any], picture: NDArray[np.uint8]) -> Dataset:
    """Return a Secondary Capture: the image with its class activation map, the answer written below it.

    Args:
        source: The image's attributes.
        answer: The line of `freezenet predict --json`.
        picture: (h, w, 3) uint8 in OpenCV's order.
    """
    source = _inheritable(source)
    capture = highdicom.sc.SCImage.from_ref_dataset(
        source,
        pixel_array=cv2.cvtColor(_captioned(picture, answer), cv2.COLOR_BGR2RGB),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        # highdicom takes no unknown orientation; the image's own, or none, replaces this one below.
        patient_orientation=("L", "F"),
        **_place(source, answer, "sc"),
        manufacturer=MANUFACTURER,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    capture.PatientOrientation = source.PatientOrientation
    if source.BodyPartExamined:
        capture.BodyPartExamined = source.BodyPartExamined
    else:
        capture.Laterality = ""  # required, if only empty, where it is not said that the part has no side
    capture.BurnedInAnnotation = "YES"
    capture.ImageComments = NOTICE
    return capture


def to_bytes(result: Dataset) -> bytes:
    """Return a result as the bytes of a DICOM file."""
    stream = io.BytesIO()
    result.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _inheritable(source: Dataset) -> Dataset:
    """Return what a result takes over from its image, complete where devices leave it out."""
    taken = Dataset()
    for keyword, missing in _INHERITED.items():
        value = source.get(keyword, missing)
        if value is None:
            raise ValueError(keyword)
        setattr(taken, keyword, value)
    return taken


def _place(source: Dataset, answer: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return series and instance of a result: one series for each image, model and kind."""
    return {
        "series_instance_uid": _uid(source, answer, f"{kind} series"),
        "series_number": _NUMBERS[kind],
        "sop_instance_uid": _uid(source, answer, kind),
        "instance_number": 1,
        "series_description": f"freezenet {answer['model']}: research use only"[:64],
    }


def _uid(source: Dataset, answer: dict[str, Any], kind: str) -> str:
    return generate_uid(entropy_srcs=[str(source.SOPInstanceUID), answer["input_sha256"], answer["model_sha256"], kind])


def _said(answer: dict[str, Any]) -> list[str]:
    """Return the answer in words: the class, or each class of a multi-label model."""
    if answer["abstained"]:
        return [f"No answer: {answer['reason']}"]
    return answer["label"].split(";") if answer["label"] else ["None of the classes"]


def _code(meaning: str) -> CodedConcept:
    """Return a private code of a label or sentence; the value has 16 characters at most (VR SH), the meaning 64 (LO)."""
    value = meaning if len(meaning) <= 16 else f"{zlib.crc32(meaning.encode()):08x}"
    return CodedConcept(value.replace("\\", "/"), _SCHEME, meaning[:64])


def _captioned(picture: NDArray[np.uint8], answer: dict[str, Any]) -> NDArray[np.uint8]:
    """Write the answer and the notice below the picture."""
    said = ", ".join(_said(answer))
    if not answer["abstained"]:
        said += " (" + ", ".join(f"{label} {value:.2f}" for label, value in answer["probabilities"].items()) + ")"
    width = picture.shape[1]
    scale = width / 900
    line = round(34 * scale)
    caption = np.zeros((3 * line, width, 3), np.uint8)
    for number, text in enumerate((said, f"freezenet {answer['model']}. {NOTICE}")):
        cv2.putText(caption, text, (line // 3, (number + 1) * line + line // 4), cv2.FONT_HERSHEY_SIMPLEX, scale * 0.8,
                    (255, 255, 255), max(1, round(scale * 2)), cv2.LINE_AA)  # fmt: skip
    return np.concatenate([picture, caption])
