"""What IN may name, and what each of them yields."""

from __future__ import annotations

import csv
import errno
import io
import os
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from freezenet.edge_runtime.errors import DataError, FreezenetError, SettingError
from freezenet.edge_runtime.images.inputs import images_below
from freezenet.edge_runtime.screen.index import NameIndex
from freezenet.edge_runtime.screen.inputs.archive import OpenArchives
from freezenet.edge_runtime.screen.inputs.fetch import Fetcher
from freezenet.edge_runtime.screen.inputs.item import Found, Item
from freezenet.edge_runtime.screen.inputs.source import may_be_image, named_source
from freezenet.edge_runtime.screen.manifest import Manifest


def found(name: object, column: str | None = None) -> tuple[list[Found], Counter[str]]:
    over: Counter[str] = Counter()
    return list(named_source(str(name), column).found(over)), over


def contents(inputs: list[Found]) -> list[bytes]:
    fetch = Fetcher()
    return [fetch(Item(number, *one)) for number, one in enumerate(inputs)]


@pytest.fixture
def archive(own_archive) -> Path:
    return own_archive


@pytest.fixture
def files(archive) -> list[Path]:
    return sorted(path for path in archive.rglob("*") if path.is_file())


def test_a_folder_yields_what_predict_finds(archive, files):
    (archive / "notes.txt").write_text("none of them")
    inputs, _ = found(archive)
    assert [one.uri for one in inputs] == list(images_below(str(archive)))
    assert contents(inputs) == [Path(one.uri).read_bytes() for one in inputs]
    assert {one.source for one in inputs} == {"one", "two"}


def test_a_pattern(archive, files):
    inputs, _ = found(archive / "*" / "*.png")
    assert [one.uri for one in inputs] == [str(path) for path in files if path.suffix == ".png"]


def test_a_list_is_relative_to_the_current_folder(archive, files, tmp_path, monkeypatch):
    monkeypatch.chdir(archive)
    lines = [str(path.relative_to(archive)) for path in files[:3]] + ["", "# a remark", str(files[4])]
    (tmp_path / "list.txt").write_text("\n".join(lines), encoding="utf-8")
    inputs, _ = found(tmp_path / "list.txt")
    assert [one.uri for one in inputs] == [str(path) for path in [*files[:3], files[4]]]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_is_relative_to_itself_and_knows_sources(kind, archive, files):
    rows = [
        {"file": str(path.relative_to(archive)), "source": f"s{number % 2}"} for number, path in enumerate(files[:5])
    ]
    table = archive / f"table.{kind}"
    if kind == "csv":
        with table.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, ["file", "source"])
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), table)
    inputs, _ = found(table)
    assert [one.uri for one in inputs] == [str(path) for path in files[:5]]
    assert [one.source for one in inputs] == ["s0", "s1", "s0", "s1", "s0"]
    assert found(table, "file")[0] == inputs
    with pytest.raises(SettingError, match=r"A column of file, source is required\. Got: 'fil'\. Did you mean file\?"):
        found(table, "fil")


def test_a_table_without_names_says_so(tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SettingError, match="name one with --column"):
        found(tmp_path / "table.csv")
    (tmp_path / "empty.csv").write_text("file,b\n,2\na.png,3\n  ,4\n\n")
    inputs, over = found(tmp_path / "empty.csv")
    assert [one.uri for one in inputs] == [str(tmp_path / "a.png")] and over == {"without a name": 2}
    (tmp_path / "none.parquet").write_bytes(b"no Parquet")
    with pytest.raises(DataError, match="A whole Parquet table is required"):
        found(tmp_path / "none.parquet")


def test_a_tar_archive_of_web_dataset(files, tmp_path):
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        for path in files[:4]:
            archive.add(path, f"{path.stem}{path.suffix}")
            side = tarfile.TarInfo(f"{path.stem}.json")
            side.size = 2
            archive.addfile(side, io.BytesIO(b"{}"))
        archive.add(files[5], f"{files[0].stem}{files[0].suffix}")  # added again under a name that is there
    inputs, over = found(tmp_path / "shard.tar")
    assert contents(inputs) == [path.read_bytes() for path in [*files[:4], files[5]]]
    assert len({one.uri for one in inputs}) == 5 and inputs[4].uri == f"{inputs[0].uri}#2"
    assert over == {".json": 4} and {one.source for one in inputs} == {"shard.tar"}


def test_a_zip_archive_of_dicom_files(files, tmp_path):
    with zipfile.ZipFile(tmp_path / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, path in enumerate(files[:4]):
            archive.write(path, f"DICOM/IM{number:04d}")
        archive.writestr("DICOMDIR", b"index")
        archive.writestr("__MACOSX/DICOM/IM0001", b"shadow")
        archive.writestr("README.TXT", b"text")
    inputs, over = found(tmp_path / "study.zip")
    assert contents(inputs) == [path.read_bytes() for path in files[:4]]
    assert inputs[0].uri == f"{tmp_path / 'study.zip'}::DICOM/IM0000"
    assert over == {"without suffix": 2, ".txt": 1}


def test_a_zip_archive_that_holds_a_name_twice_gives_both(files, tmp_path):
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        for path in files[:2]:
            archive.write(path, "IM0001")
    inputs, _ = found(tmp_path / "study.zip")
    assert contents(inputs) == [path.read_bytes() for path in files[:2]] and len({one.uri for one in inputs}) == 2


def test_an_archive_that_was_replaced_gives_no_strange_bytes(files, tmp_path):
    def written(number: int) -> None:
        with tarfile.open(tmp_path / "study.tar", "w") as tar, zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
            for path in files[number : number + 2]:
                tar.add(path, "IM0001")
                archive.write(path, f"IM{number}")

    written(0)
    inputs = [*found(tmp_path / "study.tar")[0], *found(tmp_path / "study.zip")[0]]
    assert contents(inputs) == [path.read_bytes() for path in files[:2] * 2]
    written(4)
    for one in inputs:
        with pytest.raises(
            DataError, match=r"The archive that was listed is required\. Got: .*; screen it into a new folder"
        ):
            contents([one])


def test_a_tar_archive_whose_sizes_stand_in_extended_headers(files, tmp_path):
    with tarfile.open(tmp_path / "study.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for number, path in enumerate(files[:3]):
            member = tarfile.TarInfo(f"IM{number}")
            member.size = path.stat().st_size
            member.pax_headers = {"size": str(member.size)}
            archive.addfile(member, io.BytesIO(path.read_bytes()))
    inputs, _ = found(tmp_path / "study.tar")
    assert contents(inputs) == [path.read_bytes() for path in files[:3]]


def test_an_archive_that_cannot_be_read_any_more_is_opened_anew(files, tmp_path):
    with tarfile.open(tmp_path / "study.tar", "w") as archive:
        archive.add(files[0], "IM0001")
    (one,), _ = found(tmp_path / "study.tar")
    archives = OpenArchives()

    class Stale(io.BytesIO):
        def seek(self, *_):
            raise OSError(errno.ESTALE, "Stale file handle")

    archives._files[one.container] = Stale()
    with pytest.raises(DataError, match=r"An archive that can be read is required\. Got: .*Stale file handle"):
        archives.in_tar(one.container, one.offset, one.length)
    assert archives.in_tar(one.container, one.offset, one.length) == files[0].read_bytes()


def test_a_pipe_keeps_nobody_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for name in (str(tmp_path / "pipe.png"), "/dev/zero"):
        with pytest.raises(DataError, match="Got: a pipe, a socket or a device"):
            contents([Found(name)])


def test_what_is_written_into_in_is_no_input(files, tmp_path):
    out = tmp_path / "archive" / "out"
    for folder in (out / "cam", tmp_path / "archive" / "outside"):
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(files[0].read_bytes())
    names = NameIndex(tmp_path / "names.sqlite")
    listed = [
        item.uri
        for shard in Manifest(out / "manifest", names, 10).shards(named_source(str(tmp_path / "archive")))
        for item in shard.items()
    ]
    assert sorted(listed) == sorted([*map(str, files), str(tmp_path / "archive" / "outside" / "1.png")])


def test_archives_that_a_list_names_are_opened(files, tmp_path):
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        archive.write(files[0], "IM0001")
    (tmp_path / "list.txt").write_text(f"{tmp_path / 'study.zip'}\n{files[1]}\n")
    inputs, _ = found(tmp_path / "list.txt")
    assert contents(inputs) == [files[0].read_bytes(), files[1].read_bytes()]


def test_damaged_archives_are_sentences(files, tmp_path):
    for name in ("cut.tar", "cut.zip"):
        (tmp_path / name).write_bytes(b"neither of them" * 100)
        with pytest.raises(DataError, match=r"A whole \.tar \(not compressed\) or \.zip archive is required"):
            found(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        archive.writestr("IM0001", files[0].read_bytes())
    data = bytearray((tmp_path / "study.zip").read_bytes())
    data[100] ^= 0xFF
    (tmp_path / "study.zip").write_bytes(data)
    with pytest.raises(DataError, match="A member that can be unpacked is required"):
        contents(found(tmp_path / "study.zip")[0])


def test_names_that_are_no_text(files, tmp_path):
    odd = os.fsencode(tmp_path) + b"/odd-\xff\xfe.png"
    with open(odd, "wb") as file:
        file.write(files[0].read_bytes())
    (one,), _ = found(tmp_path / "*.png")
    assert one.uri.startswith("file://") and one.uri.encode() and contents([one]) == [files[0].read_bytes()]


def test_one_image_and_what_is_not_there(files, tmp_path):
    assert [one.uri for one in found(files[0])[0]] == [str(files[0])]
    with pytest.raises(DataError, match="which does not exist"):
        found(tmp_path / "nothing")
    with pytest.raises(FreezenetError, match=r"fsspec knows|package"):
        found("nosuchscheme://bucket/folder")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/1.2.840.113619.2.55.3", True), ("IM0001", True), ("a.JPG", True), ("a.dcm", True), ("a.json", False),
     ("DICOMDIR", False), (".hidden/a.png", False), ("a/", False), ("./a.png", True), ("../b/../a.png", True), ("./.a.png", False)],
)  # fmt: skip
def test_which_objects_are_taken(name, expected):
    assert may_be_image(name) == expected
