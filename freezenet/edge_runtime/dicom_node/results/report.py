"""An answer as a Structured Report: a Comprehensive SR by template TID 1500 (DICOM PS3.16), as IHE's AI Results profile asks for."""

from __future__ import annotations

import zlib
from typing import Any

import highdicom
from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from freezenet.edge_runtime.dicom_node.results.inherited import inherited
from freezenet.edge_runtime.dicom_node.results.place import (
    MANUFACTURER,
    NOTICE,
    cut,
    data_errors,
    finish,
    label,
    probabilities,
    said,
    series,
    uid,
)

# The labels are the user's own classes, so no public coding scheme holds them.
_SCHEME = "99FREEZENET"


@data_errors
def structured_report(source: Dataset, answer: dict[str, Any]) -> Dataset:
    """Return a report with the label and the probability of each class, in the study of the image.

    It is preliminary and unverified, because no person has looked at it. Of what is no chest X-ray it holds no probabilities.

    Args:
        source: The image's attributes.
        answer: The line of `freezenet predict --json` with `input_sha256` and, if it is to be the same each time, `time`.

    Raises:
        DataError: Names the attribute without which there is no result.
    """
    taken = inherited(source)
    report = highdicom.sr.MeasurementReport(
        observation_context=highdicom.sr.ObservationContext(observer_device_context=_observer(answer)),
        procedure_reported=codes.SCT.ChestImaging,
        imaging_measurements=[_group(taken.data, answer, taken.remarks)],
    )
    document = highdicom.sr.ComprehensiveSR(
        evidence=[taken.data],
        content=report,
        **series(taken.data, answer, "sr"),
        is_complete=True,
        is_final=False,
        is_verified=False,
    )
    return finish(document, taken, answer)


def _group(
    source: Dataset, answer: dict[str, Any], remarks: tuple[str, ...]
) -> highdicom.sr.MeasurementsAndQualitativeEvaluations:
    algorithm = highdicom.sr.AlgorithmIdentification(
        name=f"freezenet {label(answer['model'])}",
        version=answer["model_sha256"][:16],
        parameters=[f"runtime {answer['runtime']}", f"card {answer['card_sha256'][:16]}", NOTICE],
    )
    group = highdicom.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=highdicom.sr.TrackingIdentifier(
            uid=uid(source, answer, "tracking"), identifier="Classification of the whole image"
        ),
        algorithm_id=algorithm,
        qualitative_evaluations=[
            highdicom.sr.QualitativeEvaluation(
                name=CodedConcept("answer", _SCHEME, "Answer of the model"), value=_code(one)
            )
            for one in said(answer)
        ],
        measurements=[
            highdicom.sr.Measurement(name=_code(f"Probability of {name}"), value=value, unit=codes.UCUM.NoUnits)
            for name, value in probabilities(answer).items()
        ],
        source_images=[highdicom.sr.SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID)],
    )
    group[0].ContentSequence.extend(
        highdicom.sr.TextContentItem(
            name=codes.DCM.Comment, value=remark, relationship_type=highdicom.sr.RelationshipTypeValues.CONTAINS
        )
        for remark in remarks
    )
    return group


def _observer(answer: dict[str, Any]) -> highdicom.sr.ObserverContext:
    return highdicom.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=highdicom.sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=[answer["model_sha256"]]),
            name="freezenet",
            manufacturer_name=MANUFACTURER,
            model_name=label(answer["model"]),
            serial_number=answer["model_sha256"][:16],
        ),
    )


def _code(meaning: str) -> CodedConcept:
    """Return a private code of a label or sentence; the value has 16 characters at most (VR SH), the meaning 64 (LO)."""
    value = meaning if len(meaning) <= 16 and meaning.isascii() else f"{zlib.crc32(meaning.encode()):08x}"
    return CodedConcept(value, _SCHEME, cut(meaning))
