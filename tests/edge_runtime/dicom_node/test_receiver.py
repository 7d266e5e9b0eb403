"""The receiver called by DCMTK, an implementation of the protocol of another origin."""

from __future__ import annotations

import hashlib
import io
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForProcessing,
    JPEG2000Lossless,
    RLELossless,
)
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE

from freezenet.edge_runtime.dicom_node.receiver import UNDER_WAY, Receiver
from freezenet.edge_runtime.errors import FreezenetError


@pytest.fixture
def receiver(tmp_path):
    one = Receiver("FREEZENET", tmp_path / "inbox", port=0)
    one.port = one.start()
    yield one
    one.stop()


def images(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.dcm"))


@pytest.fixture
def send(receiver, monkeypatch) -> Callable[..., Dataset]:
    """A function that sends a data set by pynetdicom, if need be under another UID, and returns the answer."""
    # A sender that does not look at what it sends.
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)

    def one(dataset: Dataset, uid: str | None = None) -> Dataset:
        node = AE(ae_title="SENDER")
        node.add_requested_context(ComputedRadiographyImageStorage, dataset.file_meta.TransferSyntaxUID)
        association = node.associate("127.0.0.1", receiver.port, ae_title="FREEZENET")
        assert association.is_established
        try:
            if uid is not None:
                send_message = association.dimse.send_msg

                def renamed(message, context):
                    if isinstance(message, C_STORE):
                        monkeypatch.setattr(C_STORE, "AffectedSOPInstanceUID", uid)
                    send_message(message, context)

                association.dimse.send_msg = renamed
            return association.send_c_store(dataset)
        finally:
            association.release()

    return one


def test_it_answers_an_echo_by_its_own_title_only(receiver, dcmtk):
    assert dcmtk("echoscu", "-aec", "FREEZENET", "127.0.0.1", receiver.port).returncode == 0
    refused = dcmtk("echoscu", "-aec", "ANOTHER", "127.0.0.1", receiver.port)
    assert refused.returncode == 1 and "Called AE Title Not Recognized" in refused.stderr


def test_a_stored_image_lies_in_the_inbox_under_its_uid_and_digits_of_its_content(receiver, dcmtk, chest, chest_file):
    assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", receiver.port, chest_file()).returncode == 0
    (stored,) = images(receiver.inbox)
    digits = hashlib.sha256(stored.read_bytes()).hexdigest()[:12]
    assert stored.name == f"{chest().SOPInstanceUID}-{digits}.dcm"
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
    (stored,) = images(receiver.inbox)
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


def test_a_full_disk_is_told_to_the_sender_and_leaves_nothing(dcmtk, chest_file, tmp_path):
    """A real one of 64 KiB: an image of 200 KB does not fit, one of 12 KB does."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", inbox], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    one = Receiver("FREEZENET", inbox)
    try:
        port = one.start()
        large = chest_file(1, Rows=1000, Columns=200, PixelData=bytes(200_000))
        sent = dcmtk("storescu", "-v", "-aec", "FREEZENET", "127.0.0.1", port, large)
        assert "Refused: OutOfResources" in sent.stdout + sent.stderr
        assert not images(inbox) and not list((inbox / UNDER_WAY).iterdir())
        assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", port, chest_file()).returncode == 0
        assert len(images(inbox)) == 1
    finally:
        one.stop()
        subprocess.run(["umount", inbox], check=True)


def test_the_same_image_sent_twice_is_one_file(receiver, dcmtk, chest_file):
    for _ in range(2):
        assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", receiver.port, chest_file()).returncode == 0
    assert len(images(receiver.inbox)) == 1


def test_images_of_one_uid_from_many_senders_at_once_are_all_kept_whole(receiver, chest, send):
    """Eight senders at once, each with 1 MB of one value, under one UID."""
    size, meeting = 1000, threading.Barrier(8, timeout=60)
    statuses: list[int] = []

    def sender(value: int) -> None:
        image = chest(Rows=size, Columns=size, PixelData=bytes([value]) * size * size)
        meeting.wait()
        statuses.append(send(image).Status)

    threads = [threading.Thread(target=sender, args=(value,)) for value in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [0] * 8
    found = {pydicom.dcmread(path).PixelData for path in images(receiver.inbox)}
    assert found == {bytes([value]) * size * size for value in range(8)}
    assert not list((receiver.inbox / UNDER_WAY).iterdir())


def test_two_patients_under_one_uid_are_both_kept(receiver, dcmtk, shared):
    for letter in "ab":
        image = shared / "cases" / "dicom" / f"same_uid_patient_{letter}.dcm"
        assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", receiver.port, image).returncode == 0
    kept = [pydicom.dcmread(path) for path in images(receiver.inbox)]
    assert len({image.SOPInstanceUID for image in kept}) == 1 and len({str(image.PatientName) for image in kept}) == 2


def test_an_image_of_another_content_never_takes_a_name_that_is_taken(receiver, dcmtk, chest_file):
    """As where someone made two images with the same first digits of their SHA-256."""
    assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", receiver.port, chest_file()).returncode == 0
    (first,) = images(receiver.inbox)
    content = first.read_bytes()
    first.write_bytes(b"another")
    assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", receiver.port, chest_file()).returncode == 0
    assert first.read_bytes() == b"another"
    (second,) = set(images(receiver.inbox)) - {first}
    assert second.read_bytes() == content and second.stem.endswith(hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("uid", ["1.2.3..4", "1.2.3.", "abc", "../../x", "1.2 3", "1" * 65])
def test_a_uid_that_is_none_is_refused(receiver, send, chest, uid):
    answer = send(chest(), uid)
    assert answer.Status == 0xC000 and "UID" in answer.ErrorComment
    assert not images(receiver.inbox) and not list((receiver.inbox / UNDER_WAY).glob("*"))


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_an_image_whose_own_uid_is_none_is_refused_by_the_tag(receiver, send, chest, keyword):
    answer = send(chest(**{keyword: "1.2.x"}))
    assert answer.Status == 0xC000 and answer.ErrorComment == f"{keyword} is no UID"
    assert not images(receiver.inbox)
    assert send(chest(**{keyword: "1.2.0003"})).Status == 0  # zeros that devices write


def test_an_image_over_the_limit_is_refused_and_the_next_one_taken(receiver, send, chest, monkeypatch):
    monkeypatch.setattr("freezenet.edge_runtime.dicom_node.transfer.MAX_BYTES", 1 << 20)
    large = chest(Rows=2000, Columns=1000, PixelData=bytes(2_000_000))
    answer = send(large)
    assert answer.Status == 0xC000 and answer.ErrorComment == "At most 1 MB are taken for one image"
    assert not images(receiver.inbox) and not list((receiver.inbox / UNDER_WAY).iterdir())
    assert send(chest()).Status == 0


def test_a_data_set_without_end_is_broken_off(receiver, send, chest, monkeypatch):
    monkeypatch.setattr("freezenet.edge_runtime.dicom_node.transfer.MAX_BYTES", 1 << 20)
    answer = send(chest(Rows=5000, Columns=2000, PixelData=bytes(10_000_000)))
    assert "Status" not in answer
    assert send(chest()).Status == 0


def test_a_transfer_that_is_cut_leaves_nothing(receiver, chest, until):
    """Neither in the node's folder nor in the system's; while it is under way it lies in the node's."""
    before = set(Path(tempfile.gettempdir()).glob("*.dcm"))
    node = AE(ae_title="SENDER")
    node.add_requested_context(ComputedRadiographyImageStorage)
    association = node.associate("127.0.0.1", receiver.port, ae_title="FREEZENET")
    send_pdu, sent = association.dul.send_pdu, []

    def first_ten(primitive):
        sent.append(primitive)
        if len(sent) <= 10:
            send_pdu(primitive)

    association.dul.send_pdu = first_ten
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = ComputedRadiographyImageStorage, "1.2.3"
    request.DataSet = io.BytesIO(bytes(2_000_000))
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    until(lambda: list((receiver.inbox / UNDER_WAY).glob("*")))
    association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
    until(lambda: not list((receiver.inbox / UNDER_WAY).glob("*")))
    assert not images(receiver.inbox)
    assert set(Path(tempfile.gettempdir()).glob("*.dcm")) <= before
    association.kill()


def test_what_a_kill_left_under_way_is_swept_at_the_start(tmp_path):
    left = tmp_path / "inbox" / UNDER_WAY / "0123456789abcdef.dcm"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half an image of a patient")
    one = Receiver("FREEZENET", tmp_path / "inbox")
    one.start()
    one.stop()
    assert not left.exists()


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
