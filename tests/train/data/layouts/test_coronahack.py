"""CoronaHack: a small copy of its metadata and folders."""

from __future__ import annotations

import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.data.layouts import coronahack
from freezenet.train.data.loading import load

HEADER = ",X_ray_image_name,Label,Dataset_type,Label_2_Virus_category,Label_1_Virus_category"
ROWS = [
    "0,IM-0128-0001.jpeg,Normal,TRAIN,,",
    "1,person1_bacteria_1.jpeg,Pnemonia,TRAIN,,bacteria",
    "2,streptococcus-pneumoniae-pneumonia-1.jpg,Pnemonia,TRAIN,Streptococcus,bacteria",
    "3,person88_virus_163.jpeg,Pnemonia,TRAIN,,Virus",
    "4,SARS-10.1148rg.242035193-g04mr34g07b-Fig7b-day12.jpeg,Pnemonia,TRAIN,SARS,Virus",
    "5,1-s2.0-S0140673620303706-fx1_lrg.jpg,Pnemonia,TRAIN,COVID-19,Virus",
    "6,ards-secondary-to-tiger-snake-bite.png,Pnemonia,TRAIN,ARDS,Stress-Smoking",
    "7,NORMAL2-IM-0073-0001.jpeg,Normal,TEST,,",
    "8,person1_virus_6.jpeg,Pnemonia,TEST,,Virus",
]
INNER = "Coronahack-Chest-XRay-Dataset/Coronahack-Chest-XRay-Dataset"


@pytest.fixture
def coronahack_set(touch):
    def make(home=INNER, header=HEADER, rows=ROWS):
        folder = touch(*(f"{home}/{row.split(',')[3].lower()}/{row.split(',')[1]}" for row in ROWS))
        (folder / "Chest_xray_Corona_Metadata.csv").write_text("\n".join([header, *rows, ""]))
        (folder / "Chest_xray_Corona_dataset_Summary.csv").write_text("x\n")
        return folder

    return make


@pytest.mark.parametrize("home", [INNER, "Coronahack-Chest-XRay-Dataset"])
def test_classes_splits_and_patients(coronahack_set, home, capsys):
    found = load(coronahack_set(home))
    assert found.layout == coronahack.NAME
    assert [
        (sample.file.rpartition("/")[2], sample.label, sample.split, sample.patient) for sample in found.samples
    ] == [
        ("IM-0128-0001.jpeg", "Normal", "train", "IM-0128"),
        ("person1_bacteria_1.jpeg", "Bacteria", "train", "person1_bacteria"),
        ("streptococcus-pneumoniae-pneumonia-1.jpg", "Bacteria", "train", found.samples[2].file),
        ("person88_virus_163.jpeg", "Virus", "train", "person88_virus"),
        ("SARS-10.1148rg.242035193-g04mr34g07b-Fig7b-day12.jpeg", "Virus", "train", found.samples[4].file),
        ("1-s2.0-S0140673620303706-fx1_lrg.jpg", "COVID", "train", found.samples[5].file),
        ("NORMAL2-IM-0073-0001.jpeg", "Normal", "test", "NORMAL2-IM-0073"),
        ("person1_virus_6.jpeg", "Virus", "test", "person1_virus"),
    ]
    assert found.has_patients
    assert all(path.is_file() for path in found.paths)
    assert found.manifest.tables == (coronahack.METADATA,)
    assert capsys.readouterr().err == (
        "Not used: 2 of 11 files: 1 of Pnemonia Stress-Smoking, which is no class here; 1 of no format that is read "
        "(JPEG, PNG, TIFF, BMP, WebP, DICOM).\n"
    )


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"header": HEADER.replace("Dataset_type", "Type")}, "Got: no Dataset_type"),
        ({"rows": [*ROWS, "9,gone.jpeg,Normal,TRAIN,,"]}, "1 of 9 missing"),
        ({"rows": [*ROWS, "9,x.jpeg,Normal,DEV,,"]}, "line 11"),
    ],
)
def test_metadata_that_contradicts_the_images_is_refused(coronahack_set, change, fact):
    with pytest.raises(FreezenetError, match=fact):
        load(coronahack_set(**change))
