"""What is a data set, what is none, and what the user is told then."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freezenet.edge_runtime.errors import DataError, FreezenetError
from freezenet.train.data.dataset import content_hash
from freezenet.train.data.loading import load


def touch(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"x")
    return root


def table(root: Path, text: str, *files: str, encoding: str = "utf-8") -> Path:
    touch(root, *files)
    path = root / "data.csv"
    path.write_bytes(text.encode(encoding))
    return path


def refused(path: Path, *facts: str) -> None:
    with pytest.raises(FreezenetError) as caught:
        load(path)
    for fact in facts:
        assert fact in str(caught.value)
    assert "\n" not in str(caught.value)


def test_csv_with_two_columns(tmp_path):
    found = load(table(tmp_path, "file,class\na.png,Sick\nsub/b.png,Healthy\n", "a.png", "sub/b.png"))
    assert found.labels == ("Healthy", "Sick")
    assert [sample.label for sample in found.samples] == ["Sick", "Healthy"]
    assert found.paths == [tmp_path / "a.png", tmp_path / "sub/b.png"]
    assert not found.has_patients
    assert [sample.patient for sample in found.samples] == ["a.png", "sub/b.png"]
    assert {(sample.source, sample.split) for sample in found.samples} == {("", "")}


def test_other_columns_are_named_as_used_or_not(tmp_path, caplog):
    path = table(tmp_path, "file,class,age,,ward\na.png,A,7,x,w\nb.png,B,8,y,w\n", "a.png", "b.png")
    unknown = "Columns of data.csv that are not used: age, (no name), ward."
    with caplog.at_level("INFO", "freezenet"):
        assert load(path).said() == [unknown]
        assert caplog.messages == [unknown]
        caplog.clear()
        load(path, columns=["age", "class"])
    assert caplog.messages == [
        "Columns of data.csv that are used: age.",
        "Columns of data.csv that are not used: (no name), ward.",
    ]


def test_csv_with_all_columns_and_a_byte_order_mark(tmp_path):
    text = (
        "source,file,class,split,patient_id,more\r\n"
        "hannover,a.png,Sick,Train,p1,?\r\nbonn,b.png,Healthy,VAL,,?\r\nbonn,c.png,Healthy,test,p2,?\r\n"
    )
    found = load(table(tmp_path, text, "a.png", "b.png", "c.png", encoding="utf-8-sig"))
    assert found.has_patients
    assert [sample.split for sample in found.samples] == ["train", "validation", "test"]
    assert [sample.patient for sample in found.samples] == ["p1", "b.png", "p2"]
    assert found.table("source") == {
        "Healthy": {"bonn": 2, "hannover": 0},
        "Sick": {"bonn": 0, "hannover": 1},
    }
    assert [sample.file for sample in found.only([2, 0]).samples] == ["c.png", "a.png"]


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("valid", "validation"),
        ("validation", "validation"),
        ("TEST", "test"),
    ],
)
def test_names_of_sides(tmp_path, name, side):
    found = load(table(tmp_path, f"file,class,split\na.png,A,{name}\nb.png,B,\n", "a.png", "b.png"))
    assert [sample.split for sample in found.samples] == [side, ""]


def test_folder_of_classes(tmp_path):
    touch(tmp_path, "A/1.png", "A/deep/2.JPG", "B/3.jpeg", "B/notes.txt", ".git/4.png", "readme.png")
    found = load(tmp_path)
    assert Counter(sample.label for sample in found.samples) == {"A": 2, "B": 1}
    assert {sample.file for sample in found.samples} == {"A/1.png", "A/deep/2.JPG", "B/3.jpeg"}
    assert not found.has_patients


def test_masks_are_no_inputs(tmp_path):
    touch(
        tmp_path,
        "COVID/images/COVID-1.png",
        "COVID/masks/COVID-1.png",
        "Normal/images/N-1.png",
        "Normal/masks/N-1.png",
    )
    found = load(tmp_path)
    assert [sample.file for sample in found.samples] == ["COVID/images/COVID-1.png", "Normal/images/N-1.png"]
    assert found.labels == ("COVID", "Normal")


def test_folders_of_sides(tmp_path):
    touch(
        tmp_path,
        "train/A/1.png",
        "train/B/2.png",
        "val/A/3.png",
        "val/B/4.png",
        "test/A/5.png",
        "test/B/6.png",
    )
    found = load(tmp_path)
    assert {(sample.file, sample.label, sample.split) for sample in found.samples} == {
        ("train/A/1.png", "A", "train"), ("train/B/2.png", "B", "train"),
        ("val/A/3.png", "A", "validation"), ("val/B/4.png", "B", "validation"),
        ("test/A/5.png", "A", "test"), ("test/B/6.png", "B", "test"),
    }  # fmt: skip


def test_a_class_named_test_without_a_train_folder_is_a_class(tmp_path):
    assert load(touch(tmp_path, "test/1.png", "control/2.png")).labels == ("control", "test")


def test_missing_columns_are_named(tmp_path):
    refused(table(tmp_path, "file,label\na.png,A\n", "a.png"), "class", "it has: file, label")
    refused(table(tmp_path, "path,label\na.png,A\n"), "file and class")
    refused(table(tmp_path, ""), "nothing")


def test_missing_files_are_counted(tmp_path):
    path = table(tmp_path, "file,class\na.png,A\nb.png,B\nc.png,B\n", "a.png")
    refused(path, "2 of 3", str(tmp_path / "b.png"))


def test_rows_without_class_are_named_by_line(tmp_path):
    refused(table(tmp_path, "file,class\na.png,A\nb.png,\n", "a.png", "b.png"), "line 3")
    refused(table(tmp_path, "file,class\na.png\n", "a.png"), "line 2")


def test_one_class_is_refused(tmp_path):
    refused(table(tmp_path, "file,class\na.png,Alone\n", "a.png"), "two classes", "1 (Alone)")
    refused(touch(tmp_path / "folder", "Alone/1.png"), "two classes", "Alone")


def test_empty_folder_and_no_path(tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "without images", "empty")
    refused(tmp_path / "nowhere", "nowhere", "does not exist")
    refused(table(tmp_path, "file,class\n"), "two classes", "0")


def test_repeated_file_is_named(tmp_path):
    refused(table(tmp_path, "file,class\na.png,A\nb.png,B\na.png,B\n", "a.png", "b.png"), "a.png", "twice")


def test_other_encodings_are_refused(tmp_path):
    refused(
        table(tmp_path, "file,class\nä.png,A\nb.png,B\n", "ä.png", "b.png", encoding="latin-1"),
        "UTF-8",
        "data.csv",
    )
    refused(table(tmp_path, "file,class\na.png,A\nb.png,B\n", "a.png", "b.png", encoding="utf-32"), "UTF-8")


def test_unknown_split_is_named(tmp_path):
    refused(table(tmp_path, "file,class,split\na.png,A,holdout\nb.png,B,test\n", "a.png", "b.png"), "'holdout'")


def test_folds_are_in_natural_order(tmp_path):
    files = [f"{number}.png" for number in range(5)]
    rows = "".join(f"{file},{'AB'[n % 2]},{fold}\n" for n, (file, fold) in
                   enumerate(zip(files, ["Fold10", "Fold2", "Fold1", "", "Fold2"], strict=True)))  # fmt: skip
    found = load(table(tmp_path, f"file,class,fold\n{rows}", *files))
    assert found.folds == ["Fold1", "Fold2", "Fold10"]
    assert found.only([0, 3]).folds == ["Fold10"]
    assert load(table(tmp_path, "file,class\n0.png,A\n1.png,B\n")).folds == []


def test_only_some_classes(tmp_path):
    found = load(touch(tmp_path, "A/1.png", "B/2.png", "C/3.png"))
    assert found.of_classes([]) is found
    assert found.of_classes(("C", "A")).labels == ("A", "C")
    assert [sample.file for sample in found.of_classes(("C", "A")).samples] == ["A/1.png", "C/3.png"]
    for names, fact in ((("A", "D"), "A, B, C are required. Got: D."), (("A",), "At least two classes .* Got: A.")):
        with pytest.raises(FreezenetError, match=fact):
            found.of_classes(names)


def test_the_layouts_are_listed_where_none_fits(tmp_path):
    refused(touch(tmp_path, "1.png", "2.png"), "(1) a CSV with the columns file,class", "Radiography", "CoronaHack", "Kermany",
            "DICOM", "(6) a folder with a folder of images per class", "whose images lie in none of them")  # fmt: skip


def test_real_tables(shared):
    found = load(shared / "data/cxr/radiography4.csv")
    # counted with `cut -d, -f2 radiography4.csv | sort | uniq -c`
    assert Counter(sample.label for sample in found.samples) == {
        "COVID": 166, "Lung_Opacity": 96, "Normal": 298, "Viral_Pneumonia": 350,
    }  # fmt: skip
    assert found.has_patients
    assert all(path.is_file() for path in found.paths)


def test_content_hash_is_sha256_of_the_lines():
    assert content_hash(["ab", "cd"]) == hashlib.sha256(b"ab\ncd").hexdigest()
    assert content_hash(["ab", "cd"]) != content_hash(["cd", "ab"])


def test_label_sets_have_one_text_and_their_labels(tmp_path):
    text = "file,class\na.png,sick; covid \nb.png,none\nc.png,covid;sick\nd.png,sick;sick\n"
    found = load(table(tmp_path, text, *(f"{name}.png" for name in "abcd")), "multi-label")
    assert [sample.label for sample in found.samples] == ["covid;sick", "none", "covid;sick", "sick"]
    assert found.classes == ("covid;sick", "none", "sick")
    assert found.labels == ("covid", "sick")
    assert found.truth.tolist() == [[True, True], [False, False], [True, True], [False, True]]
    assert found.only([1, 3]).task is found.task
    assert found.table("source") == {"covid;sick": {"": 2}, "none": {"": 1}, "sick": {"": 1}}


def test_folders_may_be_label_sets(tmp_path):
    found = load(touch(tmp_path, "covid;pneumonia/1.png", "none/2.png", "normal/3.png"), "multi-label")
    assert found.labels == ("covid", "normal", "pneumonia")
    assert [sample.label for sample in found.samples] == ["covid;pneumonia", "none", "normal"]


def test_one_class_for_each_image_is_a_label_set_too(tmp_path):
    data = table(tmp_path, "file,class\na.png,A\nb.png,B\n", "a.png", "b.png")
    assert load(data, "multi-label").truth.tolist() == load(data).truth.tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize(
    ("label", "task", "message"),
    [
        (
            "A;B",
            "multi-class",
            r"One class for each image.*Got: 'A;B'; for several labels train with --set task=multi-label",
        ),
        (";", "multi-label", r"a;b, or none alone, are required as a class\. Got: ';'"),
        ("A;none", "multi-label", r"Got: 'A;none'"),
        ("none", "multi-label", r"At least two classes are required\. Got: 1 \(B\)"),
        ("", "multi-label", "a class in every row"),
    ],
)
def test_label_sets_that_cannot_be(tmp_path, label, task, message):
    data = table(tmp_path, f"file,class\na.png,{label}\nb.png,B\n", "a.png", "b.png")
    with pytest.raises(FreezenetError, match=message):
        load(data, task)


_FOLDERS = st.sampled_from(["A", "B", "COVID", "Normal", "Viral Pneumonia", "NORMAL", "PNEUMONIA", "train", "Training", "val", "TEST", "holdout", "images",
                            "Masks", ".trash", "@eaDir", "deep"])  # fmt: skip
_NAMES = st.sampled_from(
    ["1.png", "2.jpg", "IM1", "notes.txt", "1_mask.png", ".hidden.png", "Fold1.csv", "labels.csv", "x.metadata.xlsx"]
)


@given(
    st.sets(
        st.tuples(st.lists(_FOLDERS, max_size=4), _NAMES).map(lambda one: "/".join([*one[0], one[1]])),
        min_size=1,
        max_size=40,
    )
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_property_used_and_unused_files_are_all_files(tmp_path_factory, files):
    """Whatever lies below a folder: it is refused in a sentence, or every file is counted once."""
    folder = touch(tmp_path_factory.mktemp("any"), *sorted(files))
    try:
        found = load(folder, least_classes=1)
    except DataError as error:
        assert "\n" not in str(error)
        return
    used = {sample.file for sample in found.samples}
    assert len(used) == found.manifest.images
    assert used | set(found.manifest.tables) | set(found.manifest.unused) == files
    assert found.manifest.files == len(files)
