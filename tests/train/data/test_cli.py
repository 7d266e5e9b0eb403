"""The verb `data`: what a person reads, what a program reads, and the list it writes."""

from __future__ import annotations

import json
import shutil

import pytest

from freezenet.train.data.loading import load


@pytest.fixture
def faulty(draw):
    """Class folders with a duplicate in each of two splits, twelve copies of one picture and an unreadable file."""
    files = [
        f"{split}/{label}/{number}.png" for split in ("train", "val", "test") for label in "AB" for number in range(2)
    ]
    folder = draw(*(f"set/{file}" for file in files)) / "set"
    shutil.copyfile(folder / "train/A/0.png", folder / "test/A/leak.png")
    for number in range(12):
        shutil.copyfile(folder / f"{['train', 'val'][number % 2]}/B/1.png", folder / f"train/B/copy{number}.png")
    (folder / "val/A/[bad].png").write_bytes(b"no image")
    return folder


def test_what_a_person_reads(command, faulty):
    code, out, err = command("data", faulty)
    assert (code, err) == (0, "")
    assert "26 images, 0 known patients; smallest 96 x 96, median 96 x 96, largest 96 x 96 pixels" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["A", "8", "30.8%", "0", "8", "1"] in rows
    assert ["train", "3", "14"] in rows or ["train", "2", "14"] in rows
    assert "unreadable: val/A/[bad].png: A whole JPEG, PNG" in out
    assert "equal files: test/A/leak.png = train/A/0.png; test, train" in out
    assert "! Duplicates of other images: 13." in out


def test_what_a_program_reads(command, faulty):
    code, out, err = command("data", faulty, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["data"] == str(faulty)
    assert found["layout"].startswith("a folder with a folder of images per class")
    assert found["images"] == 26
    assert len(found["duplicates"]) == 3
    assert "clean" not in found


@pytest.fixture
def disorder(draw):
    """A folder with every fault that a layout can have: file -> what `data` says of it."""
    faults = {
        "holdout/A/0.png": "in holdout/, which is of no split",
        "C/0.png": "in C/, which is of no split",
        "beside.png": "beside the folders of splits",
        "Training/beside.png": "in Training/, beside its class folders",
        "Training/A/annotated/0.png": "in Training/A/annotated/, beside images/",
        "Training/A/Masks/0.png": "in Training/A/Masks/, a folder of masks",
        "Training/B/masks/0.png": "in Training/B/masks/, a folder of masks",
        "Training/A/0_mask.png": "named as a mask",
        "Training/A/.Trash-1000/files/0.png": "in Training/A/.Trash-1000/, a hidden or service folder",
        "Training/B/.ipynb_checkpoints/0.png": "in Training/B/.ipynb_checkpoints/, a hidden or service folder",
        "Testing/B/@eaDir/0.png": "in Testing/B/@eaDir/, a hidden or service folder",
        "$RECYCLE.BIN/0.png": "in $RECYCLE.BIN/, a hidden or service folder",
        "__MACOSX/A/0.png": "in __MACOSX/, a hidden or service folder",
        "lost+found/0.png": "in lost+found/, a hidden or service folder",
        "Training/A/.0.png": "hidden by a dot",
    }
    files = ("Training/A/images/0.png", "Training/A/1.png", "Training/B/2.png", "Testing/A/3.png", "Testing/B/4.png",
             "outside/5.png")  # fmt: skip
    folder = draw(*(f"set/{file}" for file in files)) / "set"
    (folder / "outside").rename(folder.parent / "outside")
    for file in faults:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "Training/B/2.png", folder / file)
    (folder / "Training/A/1.png").rename(folder / "Training/A/1.jfif")
    (folder / "Training/B/2.png").rename(folder / "Training/B/2")
    (folder / "Training/A/notes.txt").write_text("none")
    (folder / "Training/B/linked").symlink_to(folder.parent / "outside")
    (folder / "Training/A/around").symlink_to(folder)
    return folder, faults | {
        "Training/A/notes.txt": "of no format that is read",
        "Training/A/around": "a link to a folder that is read already",
    }


def test_every_fault_of_a_folder_is_named_and_every_file_counted(command, disorder):
    folder, faults = disorder
    code, out, err = command("data", folder, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)["files"]
    said = {one["file"]: one["reason"] for one in found["unused_files"]}
    assert said.keys() == faults.keys()
    assert all(said[file].startswith(reason) for file, reason in faults.items())
    assert found["used"] == found["images"] == 6  # the linked one too
    # Counted in another way: files and links below the folder; the one file behind the link that is followed stands for that link.
    everything = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    assert found["files"] == found["used"] + found["unused"] == len(everything)
    assert sum(found["reasons"].values()) == found["unused"]
    _, out, err = command("data", folder)
    assert err == ""
    assert f"{len(everything)} files: 6 used as images, {len(faults)} not used:" in out
    for file, reason in faults.items():
        assert any(reason in line and file in line for line in out.splitlines())


def test_what_is_taken_for_something_else_is_said(command, draw):
    folder = draw("0.png", "1.png", "2.png")
    (folder / "x.csv").write_text("file;class;Patient ID;Fold\n0.png;A;7;1\n.\\1.png;B;007;1.0\n2.png;B;nan;\n")
    code, out, err = command("data", folder / "x.csv")
    assert (code, err) == (0, "")
    for sentence in (
        "- The column 'Patient ID' of x.csv is taken for patient_id.",
        "- Taken for empty in the column 'Patient ID' of x.csv: nan, in 1 row.",
        "- Written two ways and taken for one patient each: '7' and '007'.",
        "- Written two ways and taken for one fold each: '1' and '1.0'.",
        "! Images in no fold, which every fold of a cross-validation trains on and none tests: 1.",
    ):
        assert sentence in out


def test_label_sets_are_counted_by_label_too(command, draw):
    folder = draw("0.png", "1.png", "2.png")
    (folder / "sets.csv").write_text("file,class\n0.png,covid;edema\n1.png,edema\n2.png,none\n")
    _, out, err = command("data", folder / "sets.csv")
    rows = [line.split() for line in out.splitlines()]
    assert ["covid;edema", "1", "33.3%", "0", "1", "0"] in rows
    assert (["covid", "1", "33.3%"] in rows, ["edema", "2", "66.7%"] in rows, err) == (True, True, "")


def test_an_image_is_no_data_set(command, draw):
    code, out, err = command("data", draw("0.png") / "0.png")
    assert (code, out) == (1, "")
    assert "A CSV in UTF-8, or a folder, is required. Got: " in err


def test_many_findings_are_counted(command, draw):
    folder = draw("A/0.png", "B/1.png")
    for number in range(15):
        (folder / "A" / f"bad{number:02}.png").write_bytes(b"")
    _, out, _ = command("data", folder)
    assert out.count("unreadable: ") == 10
    assert "... and 5 more unreadable files; --json names them all" in out


def test_the_clean_list_loads(command, faulty, tmp_path):
    target = tmp_path / "clean.csv"
    code, out, err = command("data", faulty, "--clean", target)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"{target}: 12 of 26 images; left out: 1 unreadable, 13 duplicates"
    again = load(target)
    assert len(again.samples) == 12
    assert {sample.split for sample in again.samples} == {"train", "validation", "test"}
    code, out, _ = command("data", target, "--json")
    assert (json.loads(out)["duplicates"], json.loads(out)["unreadable"]) == ([], [])
    code, _, _ = command("data", faulty, "--clean", target, "--drop-split", "--overwrite", "--json")
    assert code == 0
    assert {sample.split for sample in load(target).samples} == {""}


def test_nothing_is_overwritten_unasked(command, faulty, tmp_path):
    target = tmp_path / "clean.csv"
    target.write_text("years of work")
    code, out, err = command("data", faulty, "--clean", target)
    assert (code, out) == (1, "")
    assert "pass --overwrite" in err
    assert target.read_text() == "years of work"
    assert command("data", faulty, "--clean", target, "--overwrite")[0] == 0
    before = target.read_text()
    code, _, err = command("data", target, "--clean", target, "--overwrite")
    assert code == 1
    assert "Another output file than the source" in err
    assert target.read_text() == before


def test_no_data_and_wrong_usage(command, faulty, tmp_path):
    (tmp_path / "empty").mkdir()
    code, out, err = command("data", tmp_path / "empty")
    assert (code, out) == (1, "")
    assert err.startswith("Error: DATA in one of these layouts is required: (1) a CSV") and err.count("\n") == 1
    assert command("data", tmp_path / "absent")[0] == 1
    assert command("data", faulty, "--drop-split")[0] == 2
    assert command("data", faulty, "--clean", tmp_path / "empty")[0] == 2
