"""Which modality, body part and view are read."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.dicom.subject import CHEST_CODES, check_subject


def tagged(**tags) -> Dataset:
    data = Dataset()
    data.Modality = "CR"
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    return data


def coded(keyword: str, value: str, scheme: str = "SCT", meaning: str = "Something") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return tagged(**{keyword: [item]})


def refusal(data: Dataset) -> str:
    with pytest.raises(FreezenetError) as caught:
        check_subject(data)
    text = str(caught.value)
    assert " is required" in text
    assert ". Got: " in text
    assert text.endswith("; where the tag is wrong, start freezenet with --ignore-tags.")
    return text


@pytest.mark.parametrize("modality", ["CR", "DX", "RG", "cr", "DX "])
def test_projection_x_rays_are_read(modality):
    check_subject(tagged(Modality=modality))


@pytest.mark.parametrize("modality", ["CT", "MR", "US", "MG", "OT", "PX", "XA", "RF", "SEG"])
def test_other_modalities_are_refused(modality):
    text = refusal(tagged(Modality=modality))
    assert "CR, DX or RG in (0008,0060) 'Modality'" in text
    assert f"Got: '{modality}'" in text


def test_a_missing_modality_is_refused():
    assert "(0008,0060) 'Modality', is required. Got: none" in refusal(tagged(Modality=""))
    assert "Got: none" in refusal(Dataset())


@pytest.mark.parametrize(
    "part", ["CHEST", "THORAX", "TORAX", "LUNG", "chest", " CHEST ", "Tórax", "PORT CHEST", "CHEST_AP", "PECHO", ""]
)
def test_the_chest_by_its_names_is_read(part):
    check_subject(tagged(BodyPartExamined=part))


@pytest.mark.parametrize("part", ["HIP", "EXTREMITY", "ABDOMEN", "SKULL", "TSPINE", "HAND", "CHESTNUT"])
def test_other_body_parts_are_refused(part):
    assert f"chest in (0018,0015) 'Body Part Examined' is required. Got: '{part}'" in refusal(
        tagged(BodyPartExamined=part)
    )


@pytest.mark.parametrize(
    ("scheme", "code"), [(scheme, code) for scheme in CHEST_CODES for code in sorted(CHEST_CODES[scheme])]
)
def test_the_chest_by_its_codes_is_read(scheme, code):
    check_subject(coded("AnatomicRegionSequence", code, scheme))


def test_the_codes_are_those_of_the_standard():
    from pydicom.sr._snomed_dict import mapping
    from pydicom.sr.codedict import codes

    assert {mapping["SRT"][code] for code in CHEST_CODES["SRT"]} <= CHEST_CODES["SCT"]
    assert codes.cid4031.Chest.value in CHEST_CODES["SCT"]


def test_another_anatomic_region_is_refused_and_an_unknown_scheme_is_not():
    text = refusal(coded("AnatomicRegionSequence", "29836001", meaning="Hip"))
    assert "(0008,2218) 'Anatomic Region Sequence' is required. Got: 'Hip'" in text
    check_subject(coded("AnatomicRegionSequence", "29836001", scheme="99LOCAL"))


def test_body_part_examined_goes_before_the_codes():
    data = coded("AnatomicRegionSequence", "29836001", meaning="Hip")
    data.BodyPartExamined = "CHEST"
    check_subject(data)


def test_a_sentence_stays_one():
    text = refusal(tagged(BodyPartExamined="LEG\n" * 100))
    assert "\n" not in text
    assert len(text) < 300
