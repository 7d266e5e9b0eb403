"""What a DICOM file says that it shows: modality, body part, view.

These tags are often wrong: Gueld et al., "Quality of DICOM header information for image categorization" (SPIE Medical
Imaging 2002, https://doi.org/10.1117/12.467017) found 15 % wrong body parts. So a caller may set this check aside.
"""

from __future__ import annotations

import re
import unicodedata

from pydicom.dataset import Dataset

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.dicom.tags import item, named, shown, text
from freezenet.edge_runtime.images.dicom.views import check_view
from freezenet.edge_runtime.names import listed

#: Projection X-rays: computed and digital radiography, and digitized film.
MODALITIES = ("CR", "DX", "RG")
#: Words of Body Part Examined that name the chest. The standard knows CHEST, LUNG and THORAX; the rest is what is typed.
CHEST_WORDS = frozenset({"CHEST", "THORAX", "TORAX", "LUNG", "LUNGS", "PECHO", "TORACE", "POUMON", "POUMONS", "POLMONE",
                         "POLMONI", "PULMAO", "PULMON", "PULMONES"})  # fmt: skip
#: Codes of the chest and of what fills it, alone or with its neighbours: PS3.16, CID 4009 and 4031; before 2020 in SRT.
CHEST_CODES = {
    "SCT": frozenset({"816094009", "51185008", "39607008", "78904004", "43799004", "416550000", "417437006"}),
    "SRT": frozenset({"T-D3000", "T-28000", "T-D3050"}),
    "SNM3": frozenset({"T-D3000", "T-28000", "T-D3050"}),
}

_REMEDY = "where the tag is wrong, start freezenet with --ignore-tags"


def check_subject(data: Dataset) -> None:
    """Raise DataError with one sentence unless the tags agree with a frontal X-ray of the chest.

    A body part or a view that is not given is no objection; the model's OOD gate has the last word.
    """
    modality = text(data, "Modality")
    if modality is None or modality.upper() not in MODALITIES:
        raise DataError(
            f"A projection X-ray, {listed(MODALITIES, 'or')} in {named('Modality')}, is required. "
            f"Got: {shown(modality)}; {_REMEDY}."
        )
    _check_body_part(data)
    check_view(data, _REMEDY)


def _check_body_part(data: Dataset) -> None:
    tag, said = "BodyPartExamined", text(data, "BodyPartExamined")
    if said is not None:
        chest = bool(_words(said) & CHEST_WORDS)
    else:
        tag = "AnatomicRegionSequence"
        code, said, known = _code(data, tag, CHEST_CODES)
        chest = known is None or code in known
    if not chest:
        raise DataError(f"An X-ray of the chest in {named(tag)} is required. Got: {shown(said)}; {_REMEDY}.")


def _words(value: str) -> set[str]:
    """Return the words of a value in capitals and without accents."""
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    return set(re.findall("[A-Z]+", plain.upper()))


def _code(
    data: Dataset, sequence: str, codes: dict[str, frozenset[str]]
) -> tuple[str | None, str | None, frozenset[str] | None]:
    """Return the code of a sequence's first item, its meaning, and the codes of its scheme; None for an unknown scheme."""
    found = item(data, sequence)
    if found is None:
        return None, None, None
    code = text(found, "CodeValue")
    return code, text(found, "CodeMeaning") or code, codes.get(text(found, "CodingSchemeDesignator") or "")
