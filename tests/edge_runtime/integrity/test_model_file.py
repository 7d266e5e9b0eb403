"""A model file is read once and within limits."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zipfile

import pytest

from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.errors import ModelError, RefusedError
from freezenet.edge_runtime.integrity.model_file import MAX_ASSOCIATED, MAX_BYTES, ModelFile

HEAD = b"\x20\0\0\0TFL3" + bytes(24)


def archive(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO(HEAD)
    with zipfile.ZipFile(stream, "a", compression) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return stream.getvalue()


def test_digest_and_associated_files_are_those_of_the_bytes_that_were_read(models, tmp_path):
    path = tmp_path / "int8.tflite"
    whole = (models / "int8.tflite").read_bytes()
    path.write_bytes(whole)
    file = ModelFile.read(path)
    path.write_bytes(archive({"card.json": b"{}"}))
    assert file.sha256 == hashlib.sha256(whole).hexdigest()
    with zipfile.ZipFile(models / "int8.tflite") as expected:
        for name in expected.namelist():
            assert file.associated(name) == expected.read(name)


def test_the_card_holds_the_digest_of_the_network_in_front_of_the_archive(models):
    for path in models.glob("*.tflite"):
        with zipfile.ZipFile(path) as found:
            start = min(one.header_offset for one in found.infolist())
        network = ModelCard.read(path).content["network"]
        assert network == {"bytes": start, "sha256": hashlib.sha256(path.read_bytes()[:start]).hexdigest()}


@pytest.mark.parametrize("place", [0, 0.3, 0.99])
def test_a_changed_network_is_refused(models, place):
    content = bytearray((models / "int8.tflite").read_bytes())
    network = ModelCard.read(models / "int8.tflite").content["network"]
    file = ModelFile(models / "int8.tflite", bytes(content))
    file.check_network(network["bytes"], network["sha256"])
    content[int(place * network["bytes"])] ^= 1
    with pytest.raises(RefusedError, match="damaged or changed since its conversion"):
        ModelFile(models / "int8.tflite", bytes(content)).check_network(network["bytes"], network["sha256"])


def test_an_archive_that_unpacks_to_more_than_the_limit_is_refused(tmp_path):
    """A thousandth of it is packed; a header that lies about the size is believed no more."""
    bomb = bytearray(archive({"card.json": bytes(MAX_ASSOCIATED + 1)}, zipfile.ZIP_DEFLATED))
    assert len(bomb) < MAX_ASSOCIATED / 500
    with pytest.raises(ModelError, match=r"at most 4 MB are required in a model\. Got: m\.tflite with a larger card"):
        ModelFile(tmp_path / "m.tflite", bytes(bomb)).associated("card.json")
    at = bomb.rindex(b"PK\1\2")
    struct.pack_into("<I", bomb, at + 24, 1000)
    with pytest.raises((KeyError, ModelError)):
        ModelFile(tmp_path / "m.tflite", bytes(bomb)).associated("card.json")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_unpacks_all_at_once_is_not_unpacked(tmp_path, compression):
    with pytest.raises(KeyError):
        ModelFile(tmp_path / "m.tflite", archive({"card.json": b"{}"}, compression)).associated("card.json")


def test_an_archive_of_very_many_files_is_not_listed(tmp_path):
    content = bytearray(archive({"card.json": b"{}"}))
    struct.pack_into("<I", content, content.rindex(b"PK\5\6") + 12, 500 << 20)
    with pytest.raises(ModelError, match="a list of them that would take 524288000 bytes"):
        ModelFile(tmp_path / "m.tflite", bytes(content)).associated("card.json")


def test_a_second_end_of_the_archive_hides_no_list_of_names(tmp_path):
    """A reader that looks for the last end, and one that looks at the last 22 bytes, may believe in different ones."""
    content = bytearray(archive({"card.json": b"{}"}))
    end = content.rindex(b"PK\5\6")
    struct.pack_into("<I", content, end + 12, 500 << 20)
    content[end + 16 : end + 20] = b"PK\5\6"
    with pytest.raises(ModelError, match="would take 524288000 bytes"):
        ModelFile(tmp_path / "m.tflite", bytes(content)).associated("card.json")


def test_an_archive_of_the_kind_beyond_4_gb_is_refused(tmp_path):
    content = archive({"card.json": b"{}"})
    end = content.rindex(b"PK\5\6")
    large = content[:end] + b"PK\6\7" + bytes(16) + content[end:]
    with pytest.raises((ModelError, KeyError)):
        ModelFile(tmp_path / "m.tflite", large).associated("card.json")


def test_what_is_no_regular_file_or_too_large_is_refused_without_reading_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    for path, said in (
        (tmp_path / "pipe", "a pipe or a device"),
        ("/dev/zero", "a pipe or a device"),
        (tmp_path / "large", "at most 512 MB"),
        (tmp_path, "a folder"),
        (tmp_path / "none", "does not exist"),
        ("nul\0", "no file can have"),
        (tmp_path / ("n" * 300), "File name too long"),
    ):
        with pytest.raises(ModelError, match=said):
            ModelFile.read(path)
