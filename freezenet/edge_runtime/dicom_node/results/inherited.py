"""What a result takes over from its image: who, which study, which image; complete and valid, whatever devices leave out or spoil."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName

from freezenet.edge_runtime.dicom_node.results import repair
from freezenet.edge_runtime.dicom_node.results.charset import Charset
from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.dicom.tags import named
from freezenet.edge_runtime.system.chatter import without_pydicom_warnings

#: Without these nothing can say what a result speaks of, or show it.
UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
#: What every result has, if only empty (type 2).
_ALWAYS = {
    "PatientID": repair.identifier, "PatientName": repair.name, "PatientBirthDate": repair.day, "PatientSex": repair.sex,
    "StudyID": repair.number(repair.SHORT), "StudyDate": repair.day, "StudyTime": repair.time_of_day,
    "AccessionNumber": repair.number(repair.SHORT), "ReferringPhysicianName": repair.name,
    "PatientOrientation": repair.orientation, "BodyPartExamined": repair.code,
}  # fmt: skip
#: What a result has where the image has it (type 3).
_WHERE_GIVEN = {
    "IssuerOfPatientID": repair.number(repair.LONG), "StudyDescription": repair.description,
    "TimezoneOffsetFromUTC": repair.zone,
}  # fmt: skip

_UID = re.compile(r"(?=.{1,64}\Z)(0|[1-9]\d*)(\.(0|[1-9]\d*))+", re.ASCII)
#: Value representations of bytes that may be text: those of text, and what writers put where they know none.
_TEXT = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "OB", "PN", "SH", "ST", "TM", "UC", "UI", "UN", "UR", "UT"}
)
#: Values that do not depend on the character set (PS3.5, 6.1.2.2).
_PLAIN = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})


@dataclass(frozen=True)
class Inherited:
    """What results take over.

    Args:
        data: The attributes, text as Unicode, to be written in ISO_IR 192.
        remarks: A sentence for each attribute that was repaired or left out, with the tag's name and without its value.
    """

    data: Dataset
    remarks: tuple[str, ...]


def inherited(source: Dataset) -> Inherited:
    """Return what the results of an image take over from its attributes.

    Raises:
        DataError: Names the UID without which there is no result.
    """
    with without_pydicom_warnings():
        charset = Charset.from_terms(_texts(source, "SpecificCharacterSet", None)[0])
        data = Dataset()
        data.SpecificCharacterSet = "ISO_IR 192"
        for keyword in UIDS:
            setattr(data, keyword, _uid(source, keyword))
        remarks = []
        for keyword, rule in (_ALWAYS | _WHERE_GIVEN).items():
            values, doubt = _texts(source, keyword, charset)
            value, done = rule(values)
            remarks += [f"{named(keyword)} {said}." for said in (doubt, done) if said]
            if value or keyword in _ALWAYS:
                setattr(data, keyword, value.split("\\") if "\\" in value else value)
        return Inherited(data, tuple(remarks))


def remarks(content: bytes) -> dict[str, Any]:
    """Return what the answer for an image says about its attributes: {"remarks": [...]}, {} where there is nothing to say.

    An image of which there can be no result is answered all the same; then the reason stands there.

    Args:
        content: The bytes of the DICOM file.
    """
    try:
        with without_pydicom_warnings():
            tags = ["SpecificCharacterSet", *UIDS, *_ALWAYS, *_WHERE_GIVEN]
            source = dcmread(BytesIO(content), force=True, stop_before_pixels=True, specific_tags=tags)
        said = list(inherited(source).remarks)
    except DataError as error:
        said = [str(error)]
    except Exception:  # a damaged file may break the parser anywhere
        said = ["A whole DICOM file is required for a result. Got: a damaged one; copy it again."]
    return {"remarks": said} if said else {}


def _uid(source: Dataset, keyword: str) -> str:
    values, _ = _texts(source, keyword, None)
    if len(values) == 1 and _UID.fullmatch(values[0]):
        return values[0]
    what = "none" if not any(values) else "another value"
    raise DataError(
        f"A UID in {named(keyword)} is required for a result in the study of the image. Got: {what}; export the image again."
    )


def _texts(source: Dataset, keyword: str, charset: Charset | None) -> tuple[list[str], str | None]:
    """Return the values of a tag without surrounding blanks, none for an empty one, and a doubt about them.

    charset: of text; None where the value does not depend on it.
    """
    tag = tag_for_keyword(keyword)
    assert tag is not None
    try:
        element: Any = source.get_item(tag)
        if element is None:
            return [], None
        value = element.value
        if element.VR is not None and element.VR not in _TEXT and isinstance(element, RawDataElement):
            value = source[tag].value
        return _split(value, charset if element.VR not in _PLAIN else None)
    except Exception:  # a damaged value may break its converter anywhere
        return [], "cannot be read and was left out"


def _split(value: object, charset: Charset | None) -> tuple[list[str], str | None]:
    if isinstance(value, MultiValue | list | tuple):
        found = [_split(one, charset) for one in value]
        return [one for values, _ in found for one in values or [""]], next(
            (doubt for _, doubt in found if doubt), None
        )
    if isinstance(value, PersonName):
        value = value.original_string or str(value)
    doubt = None
    if isinstance(value, bytes):
        decoded = (charset or Charset(("ascii",), False)).decode(value)
        text, doubt = decoded.text, decoded.doubt
    elif value is None:
        return [], None
    elif isinstance(value, str | int | float):
        text = str(value)
    else:
        return [], "is no text and was left out"
    values = [one.strip("\0 ") for one in text.split("\\")]
    return ([] if values == [""] else values), doubt
