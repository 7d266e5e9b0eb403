"""The COVID-19 Radiography Database: folders, sheets of sources, and the paper's folds."""

from __future__ import annotations

from collections import Counter

import pytest
from openpyxl import Workbook

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.data.layouts import radiography
from freezenet.train.data.loading import load

FILES = ("COVID/images/COVID-1.png", "COVID/images/COVID-2.png", "Lung_Opacity/images/Lung_Opacity-1.png",
         "Normal/images/Normal-1.png", "Normal/images/Normal-12.png", "Viral Pneumonia/images/Viral Pneumonia-1.png",
         "Viral Pneumonia/images/Viral Pneumonia-2.png")  # fmt: skip


@pytest.fixture
def database(touch):
    """The layout of the archive of 2021."""
    return touch(*FILES, *(file.replace("images", "masks") for file in FILES), "README.md.txt")


def write_fold(folder, number, text, header="FILE NAME,label"):
    folder.mkdir(exist_ok=True)
    (folder / f"Fold{number}.csv").write_text(f"{header}\n{text}\n")


def write_sheet(folder, label, rows):
    book = Workbook()
    book.active.append(["FILE NAME", "FORMAT", "SIZE", "URL"])
    for name, url in rows:
        book.active.append([name, "PNG", "256*256", url])
    book.save(folder / f"{label}.metadata.xlsx")


def refused(folder, *facts):
    with pytest.raises(FreezenetError) as caught:
        load(folder)
    assert all(fact in str(caught.value) for fact in facts), str(caught.value)
    assert "\n" not in str(caught.value)


def test_images_are_read_and_masks_are_not(database):
    found = load(database)
    assert found.layout == radiography.NAME
    assert {sample.file for sample in found.samples} == set(FILES)
    assert found.labels == ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
    assert not found.has_patients
    assert found.folds == []
    assert {sample.source for sample in found.samples} == {""}


def test_the_older_archive_has_the_images_in_the_class_folders(touch):
    folder = touch(*(file.replace("images/", "") for file in FILES))
    found = load(folder)
    assert found.layout == radiography.NAME
    assert Counter(sample.label for sample in found.samples) == {
        "COVID": 2, "Lung_Opacity": 1, "Normal": 2, "Viral Pneumonia": 2,
    }  # fmt: skip


def test_sheets_name_the_collections_that_images_were_taken_from(database):
    # As in the published sheets: capitals differ from the files', and one address points into a page.
    write_sheet(database, "COVID", [("COVID-1", "https://bimcv.cipf.es/bimcv-projects/bimcv-covid19/#1590858128006-9e640421"),
                                    ("COVID-2", "https://eurorad.org")])  # fmt: skip
    write_sheet(database, "Normal", [("NORMAL-1", "https://www.kaggle.com/c/rsna-pneumonia-detection-challenge/data"),
                                     ("NORMAL-12", None)])  # fmt: skip
    (database / "Viral Pneumonia.metadata.xlsx").write_bytes(b"damaged")
    found = load(database)
    assert {sample.file: sample.source for sample in found.samples if sample.source} == {
        "COVID/images/COVID-1.png": "bimcv.cipf.es/bimcv-projects/bimcv-covid19",
        "COVID/images/COVID-2.png": "eurorad.org",
        "Normal/images/Normal-1.png": "kaggle.com/c/rsna-pneumonia-detection-challenge/data",
    }
    assert found.notes == ("Viral Pneumonia.metadata.xlsx cannot be read, so the sources of its images are not known.",)


@pytest.mark.parametrize("home", [".", "folds"])
def test_folds_are_honoured_and_the_rest_is_left_out(database, home, capsys):
    write_fold(database / home, 1, "COVID-1,0\nNORMAL-12,1")
    write_fold(database / home, 2, "Viral Pneumonia-1,2\nCOVID-2,0")
    write_fold(database / home, 10, "Lung_Opacity-1,3\nViral Pneumonia-2.png,2")
    found = load(database)
    assert found.folds == ["Fold1", "Fold2", "Fold10"]
    assert {sample.file: sample.fold for sample in found.samples} == {
        "COVID/images/COVID-1.png": "Fold1",
        "Normal/images/Normal-12.png": "Fold1",
        "Viral Pneumonia/images/Viral Pneumonia-1.png": "Fold2",
        "COVID/images/COVID-2.png": "Fold2",
        "Lung_Opacity/images/Lung_Opacity-1.png": "Fold10",
        "Viral Pneumonia/images/Viral Pneumonia-2.png": "Fold10",
    }
    assert found.manifest.unused["Normal/images/Normal-1.png"] == "in none of the 3 folds"
    assert (found.manifest.files, found.manifest.images, len(found.manifest.tables)) == (18, 6, 3)
    assert capsys.readouterr().err == (
        "Not used: 9 of 18 files: 2 in COVID/masks/, a folder of masks; 2 in Normal/masks/, a folder of masks; 2 in Viral "
        "Pneumonia/masks/, a folder of masks; 1 in Lung_Opacity/masks/, a folder of masks; 1 in none of the 3 folds; 1 of no "
        "format that is read (JPEG, PNG, TIFF, BMP, WebP, DICOM).\n"
    )


def test_folds_that_contradict_the_data_are_refused(database):
    write_fold(database, 1, "COVID-1,1")
    refused(database, "Normal for COVID-1 in Fold1.csv")
    write_fold(database, 1, "COVID-1,0\nCOVID-77,0")
    refused(database, "1 missing, first COVID-77 of Fold1.csv")
    write_fold(database, 1, "COVID-1,0")
    write_fold(database, 2, "COVID-1,0")
    refused(database, "COVID-1 in Fold1 and Fold2")


@pytest.mark.parametrize("row", ["COVID-1,4", "COVID-1,COVID", "COVID-1"])
def test_labels_of_folds_are_the_four_numbers(database, row):
    write_fold(database, 1, row)
    refused(database, "0 COVID, 1 Normal, 2 Viral Pneumonia, 3 Lung_Opacity", "Fold1.csv")


def test_columns_of_folds_are_named(database):
    write_fold(database, 1, "COVID-1,0", header="file,label")
    refused(database, "FILE NAME,label", "Fold1.csv with file, label")


@pytest.mark.parametrize("home", [".", "folds"])
def test_a_class_folder_of_ones_own_is_a_class(database, touch, home, caplog):
    touch("Tuberculosis/1.png", "Tuberculosis/Masks/1.png")
    found = load(database)
    assert found.layout == radiography.NAME
    assert "Tuberculosis" in found.labels
    assert "which are classes too: Tuberculosis." in caplog.text
    write_fold(database / home, 1, "COVID-1,0\nNORMAL-12,1")
    found = load(database)
    assert (len(found.samples), found.manifest.unused["Tuberculosis/1.png"]) == (2, "in none of the 1 folds")
    assert found.manifest.files == sum(path.is_file() for path in database.rglob("*"))
