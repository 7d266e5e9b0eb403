"""The receiver called by DCMTK, an implementation of the protocol of another origin."""

from __future__ import annotations

import errno
import socket

import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import DigitalXRayImageStorageForProcessing, JPEG2000Lossless, RLELossless

from freezenet.edge_runtime.dicom_node.receiver import Receiver
from freezenet.edge_runtime.errors import FreezenetError


@pytest.fixture
def receiver(tmp_path):
    one = Receiver("FREEZENET", tmp_path / "inbox", port=0)
    one.port = one.start()
    yield one
    one.stop()


def test_it_answers_an_echo_by_its_own_title_only(receiver, dcmtk):
    assert dcmtk("echoscu", "-aec", "FREEZENET", "127.0.0.1", receiver.port).returncode == 0
    refused = dcmtk("echoscu", "-aec", "ANOTHER", "127.0.0.1", receiver.port)
    assert refused.returncode == 1 and "Called AE Title Not Recognized" in refused.stderr


def test_a_stored_image_lies_in_the_inbox_under_its_uid(receiver, dcmtk, chest, chest_file):
    assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", receiver.port, chest_file()).returncode == 0
    (stored,) = receiver.inbox.iterdir()
    assert stored.name == f"{chest().SOPInstanceUID}.dcm"
    read = pydicom.dcmread(stored)
    assert read.PixelData == chest().PixelData
    assert read.file_meta.TransferSyntaxUID == chest().file_meta.TransferSyntaxUID


@pytest.mark.parametrize(("syntax", "option"), [(RLELossless, "-xr"), (JPEG2000Lossless, "-xv")])
def test_compressed_images_are_kept_as_they_are(receiver, dcmtk, chest, tmp_path, syntax, option):
    image = chest()
    # The node looks at no pixel, so any stream will do.
    image.PixelData = encapsulate([b"not looked at "])
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = syntax
    image.save_as(tmp_path / "compressed.dcm", enforce_file_format=True)
    sent = dcmtk("storescu", "-aec", "FREEZENET", option, "127.0.0.1", receiver.port, tmp_path / "compressed.dcm")
    assert sent.returncode == 0, sent.stderr
    (stored,) = receiver.inbox.iterdir()
    read = pydicom.dcmread(stored)
    assert read.file_meta.TransferSyntaxUID == syntax
    assert read.PixelData == image.PixelData


def test_raw_detector_data_is_not_taken(receiver, dcmtk, chest_file):
    raw = chest_file(SOPClassUID=DigitalXRayImageStorageForProcessing)
    sent = dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", receiver.port, raw)
    assert sent.returncode == 1 and "No presentation context" in sent.stderr
    assert not receiver.inbox.exists()


def test_only_known_callers_may_call(dcmtk, tmp_path):
    one = Receiver("FREEZENET", tmp_path / "inbox", port=0, callers=["XRAY1"])
    port = one.start()
    try:
        assert dcmtk("echoscu", "-aet", "XRAY1", "-aec", "FREEZENET", "127.0.0.1", port).returncode == 0
        refused = dcmtk("echoscu", "-aet", "XRAY2", "-aec", "FREEZENET", "127.0.0.1", port)
        assert refused.returncode == 1 and "Calling AE Title Not Recognized" in refused.stderr
    finally:
        one.stop()


def test_a_full_disk_is_told_to_the_sender_and_leaves_nothing(receiver, dcmtk, chest_file, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("freezenet.edge_runtime.dicom_node.receiver.shutil.copyfile", full)
    sent = dcmtk("storescu", "-v", "-aec", "FREEZENET", "127.0.0.1", receiver.port, chest_file())
    assert "Refused: OutOfResources" in sent.stdout + sent.stderr
    assert not list(receiver.inbox.iterdir())
    monkeypatch.undo()
    assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", receiver.port, chest_file()).returncode == 0
    assert len(list(receiver.inbox.iterdir())) == 1


def test_the_same_image_sent_twice_is_one_file(receiver, dcmtk, chest_file):
    for _ in range(2):
        assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", receiver.port, chest_file()).returncode == 0
    assert len(list(receiver.inbox.iterdir())) == 1


def test_a_port_in_use_is_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(FreezenetError, match=r"^A free address is required\. Got: 127\.0\.0\.1:\d+: "):
            Receiver("FREEZENET", tmp_path, port=taken.getsockname()[1]).start()


def test_noise_on_the_port_ends_nothing(receiver, dcmtk):
    for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\x01\x00\xff\xff\xff\xff" + bytes(100), b""):
        with socket.create_connection(("127.0.0.1", receiver.port), timeout=5) as caller:
            caller.sendall(noise)
    assert dcmtk("echoscu", "-aec", "FREEZENET", "127.0.0.1", receiver.port).returncode == 0
