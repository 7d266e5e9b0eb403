"""Where a result stands: its series and instance, its times, and who made it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import wraps
from typing import Any, TypeVar

from pydicom import Dataset
from pydicom.uid import generate_uid

from freezenet.edge_runtime.decision import NOT_CHEST
from freezenet.edge_runtime.dicom_node.results.inherited import Inherited
from freezenet.edge_runtime.errors import DataError, FreezenetError
from freezenet.edge_runtime.system.chatter import without_pydicom_warnings

MANUFACTURER = "freezenet"
#: Shown in every result: the archive's reader sees nothing else of this software.
NOTICE = "Research use only. Not a diagnosis."

_NUMBERS = {"sr": 9701, "sc": 9702, "map": 9703}
#: When a result was made, wherever it says so.
_TIMES = {
    f"{before}{part}": place
    for before in ("InstanceCreation", "Content", "Series")
    for part, place in (("Date", "{day}"), ("Time", "{clock}"))
} | {"DateOfSecondaryCapture": "{day}", "TimeOfSecondaryCapture": "{clock}"}
_Maker = TypeVar("_Maker", bound=Callable[..., Dataset])


def data_errors(make: _Maker) -> _Maker:
    """Let a function that makes a result raise DataError alone: no image's attributes may end the delivery of others."""

    @wraps(make)
    def made(source: Dataset, *others: Any) -> Dataset:
        try:
            with without_pydicom_warnings():
                return make(source, *others)
        except (FreezenetError, MemoryError):
            raise
        except Exception as error:
            # What the libraries say may hold the patient's values.
            raise DataError(
                f"Attributes that a DICOM result can take over are required. Got: {type(error).__name__} while the result was "
                "made; export the image again."
            ) from error

    return made  # type: ignore[return-value]


def series(source: Dataset, answer: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return series and instance of a result as highdicom takes them: one series for each image, model and kind.

    Args:
        source: What is inherited.
        answer: The line of `freezenet predict --json`.
        kind: Of _NUMBERS.
    """
    return {
        "series_instance_uid": uid(source, answer, f"{kind} series"),
        "series_number": _NUMBERS[kind],
        "sop_instance_uid": uid(source, answer, kind),
        "instance_number": 1,
        "series_description": cut(f"freezenet {label(answer['model'])}: research use only"),
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": cut(label(answer["model"])),
        "software_versions": answer["model_sha256"][:16],
    }


def uid(source: Dataset, answer: dict[str, Any], what: str) -> str:
    """Return a UID that follows from the image's content, the model and what it is for, so that a repetition gives the same."""
    return generate_uid(entropy_srcs=[str(source.SOPInstanceUID), answer["input_sha256"], answer["model_sha256"], what])


def finish(result: Dataset, taken: Inherited, answer: dict[str, Any]) -> Dataset:
    """Give a result the time of its answer, so that a repetition is equal byte for byte, and what else it inherits.

    Times stand in the zone of the image, where it names one, because DICOM knows one zone for all times of an object.
    """
    for keyword in ("TimezoneOffsetFromUTC", "IssuerOfPatientID", "StudyDescription"):
        if keyword in taken.data:
            setattr(result, keyword, taken.data[keyword].value)
    told = answer.get("time")
    moment = datetime.fromisoformat(told) if told else datetime.now(timezone.utc)
    offset = taken.data.get("TimezoneOffsetFromUTC")
    local = moment.astimezone(_zone(offset) if offset else None)
    day, clock = local.strftime("%Y%m%d"), local.strftime("%H%M%S")
    for keyword, value in _TIMES.items():
        if keyword in result:
            setattr(result, keyword, value.format(day=day, clock=clock))
    for library in result.get("ContributingEquipmentSequence", []):
        library.ContributionDateTime = day + clock
    return result


def name_part(image: Dataset, source: Dataset) -> None:
    """Say in an image which part of the body it shows."""
    if source.BodyPartExamined:
        image.BodyPartExamined = source.BodyPartExamined
    else:
        image.Laterality = ""  # required, if only empty, where it is not said that the part has no side


def said(answer: dict[str, Any]) -> list[str]:
    """Return the answer in words: the class, or each class of a multi-label model."""
    if answer["abstained"]:
        return [f"No answer: {answer['reason']}"]
    return [label(one) for one in answer["label"].split(";")] if answer["label"] else ["None of the classes"]


def probabilities(answer: dict[str, Any]) -> dict[str, float]:
    """Return the probability of each class; none of what is no chest X-ray, where they mean nothing."""
    if answer["reason"] == NOT_CHEST:
        return {}
    return {label(one): value for one, value in (answer["probabilities"] or {}).items()}


def label(text: str) -> str:
    """Return a name as DICOM's text takes it: on one line and without its separator of values."""
    return "".join(sign if sign.isprintable() else " " for sign in text).replace("\\", "/").strip() or "-"


def cut(text: str) -> str:
    """Return the beginning of a text of our own, 64 bytes of UTF-8 at most: LO's are characters, but not every reader counts so."""
    return text.encode()[:64].decode(errors="ignore").rstrip()


def _zone(offset: str) -> timezone:
    distance = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
    return timezone(-distance if offset[0] == "-" else distance)
