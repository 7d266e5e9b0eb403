"""The node as a process between DCMTK, which sends as a detector does, and Orthanc, which keeps as a hospital does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage
from pynetdicom import AE, evt

from freezenet.edge_runtime.classifier import Classifier

ROOT = Path(__file__).resolve().parents[3]


def eventually(condition: Callable[[], object], seconds: float = 30) -> object:
    """Return the condition's value once it is true; fail where it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    pytest.fail("it never happened")


@pytest.fixture
def node(models, tmp_path) -> Iterator[Callable[..., subprocess.Popen]]:
    """A function that starts the node and waits until it listens; what it says goes to tmp_path/node.log."""
    started = []

    def start(port: int, *arguments: object) -> subprocess.Popen:
        command = [sys.executable, "-m", "freezenet", "dicom-node", models / "int8.tflite", "--aet", "FREEZENET",
                   "--port", port, "--out", tmp_path / "node", "--json", *arguments]  # fmt: skip
        with (tmp_path / "node.log").open("a") as log:
            before = log.tell()
            process = subprocess.Popen(
                [str(one) for one in command], cwd=ROOT, stderr=log, stdout=(tmp_path / "node.out").open("a")
            )
        started.append(process)
        eventually(lambda: "listens on" in (tmp_path / "node.log").read_text()[before:] or process.poll() is not None)
        assert process.poll() is None, (tmp_path / "node.log").read_text()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def answers(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((folder / "node" / "answers").glob("*.dcm.json"))]


def test_from_the_detector_to_the_archive(node, orthanc, dcmtk, chest, chest_file, models, tmp_path):
    """An image by storescu and one by the archive itself; each study gets a report and a capture; SIGTERM ends it well."""
    process = node(orthanc.node_port, "--send-to", f"ORTHANC@127.0.0.1:{orthanc.port}")
    assert dcmtk("echoscu", "-aec", "FREEZENET", "127.0.0.1", orthanc.node_port).returncode == 0
    assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", orthanc.node_port, chest_file(0)).returncode == 0
    stored = orthanc.post("/instances", chest_file(1).read_bytes())["ID"]
    orthanc.post("/modalities/node/store", stored.encode())
    # The image that the archive had, and two results of each.
    eventually(lambda: orthanc.modalities() == ["CR", "OT", "OT", "SR", "SR"])
    found = {answer["file"]: answer for answer in answers(tmp_path)}
    classifier = Classifier(models / "int8.tflite")
    for number in (0, 1):
        expected = classifier.predict(chest_file(number)).to_dict()
        (answer,) = [one for file, one in found.items() if file.startswith(f"{chest(number).SOPInstanceUID}-")]
        assert {key: answer[key] for key in ("label", "probabilities")} == {
            key: expected[key] for key in ("label", "probabilities")
        }
    (study,) = orthanc.get("/studies?expand")
    assert study["MainDicomTags"]["StudyInstanceUID"] == chest().StudyInstanceUID
    eventually(lambda: not list((tmp_path / "node" / "received").glob("*.dcm")))
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    lines = [json.loads(line) for line in (tmp_path / "node.out").read_text().splitlines()]
    assert [line["state"] for line in lines] == ["answered", "answered"]
    said = (tmp_path / "node.log").read_text() + (tmp_path / "node.out").read_text()
    assert "Drawn" not in said and "P1" not in said and str(chest().SOPInstanceUID) not in said


def test_what_is_received_survives_a_kill_and_an_archive_that_is_away(node, orthanc, dcmtk, chest_file, tmp_path):
    away = node(orthanc.node_port, "--send-to", "ORTHANC@127.0.0.1:9", "--result", "report")
    assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", orthanc.node_port, chest_file()).returncode == 0
    eventually(lambda: "An answer cannot be delivered" in (tmp_path / "node.log").read_text())
    assert len(answers(tmp_path)) == 1  # the answer does not wait for the archive
    os.kill(away.pid, signal.SIGKILL)
    away.wait()
    node(orthanc.node_port, "--send-to", f"ORTHANC@127.0.0.1:{orthanc.port}", "--result", "report")
    eventually(lambda: orthanc.modalities() == ["SR"])
    assert len(answers(tmp_path)) == 1


def test_what_is_no_chest_x_ray_by_its_tags_is_set_aside_with_the_reason(node, orthanc, dcmtk, chest_file, tmp_path):
    node(orthanc.node_port)
    hand = chest_file(BodyPartExamined="HAND")
    assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", orthanc.node_port, hand).returncode == 0
    (reason,) = eventually(lambda: list((tmp_path / "node" / "answers" / "rejected").glob("*.json")))
    assert "HAND" in json.loads(reason.read_text())["error"]


def test_results_lie_beside_the_answer_without_an_archive(node, orthanc, dcmtk, chest, chest_file, tmp_path):
    node(orthanc.node_port)
    assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", orthanc.node_port, chest_file()).returncode == 0
    (base,) = eventually(lambda: list((tmp_path / "node" / "answers").glob(f"{chest().SOPInstanceUID}-*.dcm.json")))
    report, capture = (
        base.with_name(f"{base.name.removesuffix('.json')}.{kind}.dcm") for kind in ("report", "capture")
    )
    eventually(lambda: report.is_file() and capture.is_file())
    assert pydicom.dcmread(report).Modality == "SR"
    assert not list((tmp_path / "node" / "sending").iterdir())


def test_an_image_sent_again_with_other_content_has_results_of_its_own(
    node, orthanc, dcmtk, chest, chest_file, tmp_path
):
    node(orthanc.node_port, "--result", "report")
    for pixels in (bytes(range(256)) * 47, bytes(reversed(range(256))) * 47):
        changed = chest_file(PixelData=pixels[: 120 * 100])
        assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", orthanc.node_port, changed).returncode == 0
        eventually(lambda: not list((tmp_path / "node" / "received").glob("*.dcm")))
    reports = sorted((tmp_path / "node" / "answers").glob("*.report.dcm"))
    assert len(reports) == len(answers(tmp_path)) == 2
    assert {path.name.removesuffix(".report.dcm") for path in reports} == {
        path.name.removesuffix(".json") for path in (tmp_path / "node" / "answers").glob("*.dcm.json")
    }
    assert len({pydicom.dcmread(path).SOPInstanceUID for path in reports}) == 2


def test_images_under_one_uid_are_all_answered_while_the_archive_is_away(node, orthanc, dcmtk, chest_file, tmp_path):
    """The same image again is one; other pixels are another image, with files and results of its own."""
    node(orthanc.node_port, "--send-to", "ORTHANC@127.0.0.1:9")
    for value in (1, 2, 3, 1, 2):
        image = chest_file(PixelData=bytes([value]) * 12000)
        assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", orthanc.node_port, image).returncode == 0
    folder = tmp_path / "node" / "answers"
    eventually(lambda: len(list((folder / "processed").glob("*.dcm"))) == 3 and len(answers(tmp_path)) == 3)
    kept = {pydicom.dcmread(path).PixelData for path in (folder / "processed").iterdir()}
    assert kept == {bytes([value]) * 12000 for value in (1, 2, 3)}
    eventually(lambda: len(list((tmp_path / "node" / "sending").glob("*.json"))) == 3)
    eventually(lambda: not list((tmp_path / "node" / "received").glob("*.dcm")))
    assert len({pydicom.dcmread(path).SOPInstanceUID for path in folder.glob("*.report.dcm")}) == 3


def test_a_silent_archive_delays_no_answer_and_no_end(node, orthanc, dcmtk, chest_file, tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        process = node(
            orthanc.node_port, "--send-to", f"SILENT@127.0.0.1:{silent.getsockname()[1]}", "--result", "report"
        )
        for number in range(3):
            assert (
                dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", orthanc.node_port, chest_file(number)).returncode
                == 0
            )
        eventually(lambda: len(answers(tmp_path)) == 3, 25)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_two_archives_get_what_each_takes(node, orthanc, dcmtk, chest_file, tmp_path):
    """Orthanc, which takes all, and one that refuses reports for good."""
    refusing = AE(ae_title="CAPTURES")
    refusing.add_supported_context(ComprehensiveSRStorage)
    refusing.add_supported_context(SecondaryCaptureImageStorage)
    stored = []

    def store(event: evt.Event) -> int:
        if event.request.AffectedSOPClassUID == ComprehensiveSRStorage:
            return 0x0122
        stored.append(event.request.AffectedSOPInstanceUID)
        return 0

    server = refusing.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        node(
            orthanc.node_port,
            "--send-to",
            f"ORTHANC@127.0.0.1:{orthanc.port}",
            "--send-to",
            f"CAPTURES@127.0.0.1:{server.server_address[1]}",
        )
        assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", orthanc.node_port, chest_file()).returncode == 0
        (sent,) = eventually(lambda: list((tmp_path / "node" / "sent").glob("*.json")))
        assert orthanc.modalities() == ["OT", "SR"] and len(stored) == 1
        (reason,) = (tmp_path / "node" / "answers" / "rejected").glob("*.json")
        assert reason.name == f"{sent.stem}.report.json" and "0122" in reason.read_text()
    finally:
        server.shutdown()


def test_an_image_of_which_no_result_can_be_made_is_answered_and_named(node, orthanc, dcmtk, chest_file, tmp_path):
    node(orthanc.node_port, "--send-to", f"ORTHANC@127.0.0.1:{orthanc.port}", "--result", "report")
    for image in (chest_file(0, StudyInstanceUID=""), chest_file(1)):
        assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", orthanc.node_port, image).returncode == 0
    eventually(lambda: orthanc.modalities() == ["SR"])
    assert len(answers(tmp_path)) == 2
    (reason,) = eventually(lambda: list((tmp_path / "node" / "answers" / "rejected").glob("*.report.json")))
    (refusal,) = json.loads(reason.read_text())["refusals"]
    assert refusal["archive"] is None and "StudyInstanceUID" in refusal["error"].replace(" ", "")
    eventually(lambda: not list((tmp_path / "node" / "received").glob("*.dcm")))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--aet", "A" * 17, "--port", "11112"), 1, "An AE title of 1 to 16 ASCII characters"),
        (("--aet", "ME", "--port", "11112", "--send-to", "nowhere"), 1, "An archive as TITLE@HOST:PORT is required"),
        (("--aet", "ME", "--port", "0"), 2, "Invalid value for '--port'"),
        (("--aet", "ME"), 2, "Missing option '--port'"),
        (("--aet", "ME", "--port", "11112", "--host", "203.0.113.1"), 1, "A free address is required"),
    ],
)
def test_wrong_arguments_are_one_sentence(command, models, tmp_path, arguments, code, said):
    found, out, err = command("dicom-node", models / "int8.tflite", "--out", tmp_path / "node", *arguments)
    assert (found, out) == (code, "")
    assert said in err and "Traceback" not in err
