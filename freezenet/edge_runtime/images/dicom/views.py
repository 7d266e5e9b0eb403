"""Which view a DICOM file says that it shows, from its tags in the order of how near they are to the image.

A frontal view is what the models were trained on. A view that no tag tells is no objection; the model's OOD gate has the
last word.
"""

from __future__ import annotations

from pydicom.charset import python_encoding
from pydicom.dataset import Dataset

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.dicom.tags import item, named, shown, text, texts
from freezenet.edge_runtime.images.dicom.view_words import View, view_of

#: Texts about the exposure ("CHEST LAT" is found in the first, too), then the series, then the study; the first that tells the view counts.
DESCRIPTIONS = ("BodyPartExamined", "AcquisitionDeviceProcessingDescription", "SeriesDescription", "AcquisitionProtocolDescription",
                "ProtocolName", "PerformedProcedureStepDescription", "RequestedProcedureDescription", "StudyDescription")  # fmt: skip
#: Views that are not frontal: PS3.16, CID 4010, all lateral and oblique ones, in SNOMED CT and in SRT, which went before it.
OTHER_VIEW_CODES = frozenset({
    "399067008", "399173006", "399198007", "399352003", "399260004", "260427002", "399099002", "399368009", "260426006",
    "399182000", "399135007", "399356000", "399006002", "399038007", "399184004", "399236003", "399312000", "399059000",
    "399160007", "399132005", "399004004", "399225005", "399288005", "399325008",
    "R-102CD", "R-10236", "R-10232", "R-10228", "R-10224", "R-40783", "R-10230", "R-10226", "R-40782",
    "R-102C1", "R-10220", "R-40985", "R-10212", "R-10210", "R-10238", "R-10234", "R-10208", "R-10216",
    "R-10204", "R-10252", "R-10246", "R-10250", "R-10248", "R-10254",
})  # fmt: skip
FRONTAL_VIEW_CODES = frozenset({"399348003", "272479007", "399033003", "R-10206", "R-40888", "R-10202"})
#: Of SNOMED, as devices write it: SNM3 and 99SDM are older names of SRT.
_SNOMED = frozenset({"SCT", "SRT", "SNM3", "99SDM", "SNOMED", "2.16.840.1.113883.6.96"})


def check_view(data: Dataset, remedy: str) -> None:
    """Raise DataError with one sentence where a tag says that the view is lateral or oblique.

    Args:
        data: The data set.
        remedy: What to do where the tag is wrong.
    """
    _check_orientation(data, remedy)
    tag, view, said = _image_view(data)
    if view is None:
        tag, view, said = _described_view(data)
    if view is View.OTHER:
        raise DataError(
            f"A frontal view (PA or AP) in {named(tag)} is required, as the models were trained on. Got: {shown(said)}; "
            f"{remedy}."
        )


def _check_orientation(data: Dataset, remedy: str) -> None:
    """Refuse rows or columns that run to the front or the back of the patient, as in a lateral view (PS3.3, C.7.6.1.1.1)."""
    said = texts(data, "PatientOrientation")
    if any(direction[:1].upper() in ("A", "P") for direction in said):
        raise DataError(
            f"A frontal view, rows and columns to the left, right, head or foot in {named('PatientOrientation')}, is required. "
            f"Got: {shown('/'.join(said))}; {remedy}."
        )


def _image_view(data: Dataset) -> tuple[str, View | None, str]:
    """Return tag, view and its words by View Position, else by View Code Sequence."""
    said = " ".join(texts(data, "ViewPosition"))
    view, _ = _read(data, said, is_code=True)
    if view is not None:
        return "ViewPosition", view, said
    code = item(data, "ViewCodeSequence")
    if code is None:
        return "ViewCodeSequence", None, ""
    value = text(code, "CodeValue") or text(code, "LongCodeValue") or text(code, "URNCodeValue") or ""
    meaning = text(code, "CodeMeaning") or value
    if (text(code, "CodingSchemeDesignator") or "").upper() in _SNOMED:
        if value in OTHER_VIEW_CODES:
            return "ViewCodeSequence", View.OTHER, meaning
        if value in FRONTAL_VIEW_CODES:
            return "ViewCodeSequence", View.FRONTAL, meaning
    return "ViewCodeSequence", _read(data, meaning, is_code=True)[0], meaning


def _described_view(data: Dataset) -> tuple[str, View | None, str]:
    """Return tag, view and the word that tells it by the first description that tells one.

    The word alone, since a description may hold a person's name.
    """
    for tag in DESCRIPTIONS:
        try:
            said = " ".join(texts(data, tag))
        except DataError:  # a text that cannot be read tells nothing
            continue
        view, word = _read(data, said, is_code=False)
        if view is not None:
            return tag, view, word
    return "", None, ""


def _read(data: Dataset, said: str, *, is_code: bool) -> tuple[View | None, str]:
    """Return the view that a text tells in any of its readings: as decoded, as UTF-8, in the declared character set.

    pydicom decodes View Position as Latin-1, since only ASCII is allowed in it, and so it does a text whose character
    set is not declared; devices write both in their own language.
    """
    found: tuple[View | None, str] = (None, "")
    for reading in _readings(data, said):
        found = view_of(reading, is_code)
        if found[0] is not None:
            break
    return found


def _readings(data: Dataset, said: str) -> list[str]:
    readings = [said]
    if not said.isascii():
        declared = [python_encoding.get(name, "") for name in texts(data, "SpecificCharacterSet")]
        for encoding in ("utf-8", *filter(None, declared)):
            try:
                readings.append(said.encode("latin-1").decode(encoding))
            except (UnicodeError, LookupError):
                continue
    return readings
