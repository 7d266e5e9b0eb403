"""Sending to archives of every temper: pynetdicom plays those that DCMTK and Orthanc cannot be made to be."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage
from pynetdicom import AE, evt
from pynetdicom.transport import ThreadedAssociationServer

from freezenet.edge_runtime.dicom_node import sender as sending
from freezenet.edge_runtime.dicom_node.archive import Archive
from freezenet.edge_runtime.dicom_node.outgoing import Outgoing, result_path
from freezenet.edge_runtime.dicom_node.results import secondary_capture, structured_report, to_bytes
from freezenet.edge_runtime.dicom_node.sender import Sender
from freezenet.edge_runtime.files import write_bytes

REPORT, CAPTURE = str(ComprehensiveSRStorage), str(SecondaryCaptureImageStorage)


@dataclass
class Peer:
    """An archive whose answer is decided by a function of the data set and of how often it came; None: the association is aborted."""

    answer: Callable[[object, int], int | None] = lambda result, times: 0x0000
    classes: tuple[str, ...] = (REPORT, CAPTURE)
    title: str = "PEER"
    tries: list[str] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    server: ThreadedAssociationServer | None = None

    def start(self, port: int = 0) -> Archive:
        node = AE(ae_title=self.title)
        node.require_called_aet = True
        for one in self.classes:
            node.add_supported_context(one)
        self.server = node.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        return Archive("PEER", "127.0.0.1", self.server.server_address[1], "FREEZENET")

    def stop(self) -> None:
        if self.server is not None:
            self.server.ae.shutdown()

    def _store(self, event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.tries.append(uid)
        status = self.answer(event.dataset, self.tries.count(uid))
        if status is None:
            event.assoc.abort()
            return 0
        if status in (0, 0x0111) or status >> 12 == 0xB:
            self.stored.append(uid)
        return status


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    made = []

    def make(**options) -> Peer:
        made.append(Peer(**options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def quick(monkeypatch):
    """The same rules with shorter waits."""
    monkeypatch.setattr("freezenet.edge_runtime.watch.trouble.FIRST_DELAY", 0.05)
    monkeypatch.setattr("freezenet.edge_runtime.watch.trouble.LONGEST_DELAY", 0.1)
    monkeypatch.setattr(sending, "ASSOCIATION_SECONDS", 0.3)


@pytest.fixture
def post(chest, answer, tmp_path) -> Callable[..., dict[str, str]]:
    """A function that writes the results of image `number` and puts them into a queue; returns kind -> UID."""

    def put(outgoing: Outgoing, number: int = 0, **changed) -> dict[str, str]:
        source = chest(number, **changed)
        made = {"report": structured_report(source, answer),
                "capture": secondary_capture(source, answer, np.zeros((100, 100, 3), np.uint8))}  # fmt: skip
        for kind, result in made.items():
            write_bytes(result_path(outgoing.answers, f"{number}", kind), to_bytes(result))
        outgoing.add(f"{number}", {kind: str(result.SOPClassUID) for kind, result in made.items()})
        return {kind: str(result.SOPInstanceUID) for kind, result in made.items()}

    return put


@pytest.fixture
def send(tmp_path) -> Iterator[Callable[..., Outgoing]]:
    """A function that starts the senders of a node's folder; what they say is in its `said`."""
    started = []

    def start(*archives: Archive) -> Outgoing:
        outgoing = Outgoing(tmp_path, archives)
        outgoing.load()
        outgoing.said = []
        for archive in archives:
            started.append(Sender(archive, outgoing, outgoing.said.append))
            started[-1].start()
        return outgoing

    def stop() -> None:
        while started:
            started.pop().stop()

    start.stop = stop
    yield start
    stop()


def settled(queue: Path, number: int) -> dict:
    return json.loads((queue / f"{number}.json").read_text())["settled"]


def sent(folder: Path, number: int) -> dict:
    return settled(folder / "sent", number)


def refusals(folder: Path) -> dict[str, list[dict]]:
    return {
        path.name: json.loads(path.read_text())["refusals"] for path in (folder / "answers" / "rejected").glob("*.json")
    }


def done(folder: Path, count: int) -> Callable[[], bool]:
    return lambda: len(list((folder / "sent").glob("*.json"))) == count and not list((folder / "sending").iterdir())


def test_what_was_delivered_is_not_sent_again(send, post, peer, until, tmp_path):
    archive = (one := peer()).start()
    outgoing = send(archive)
    uids = post(outgoing)
    until(done(tmp_path, 1))
    assert sorted(one.tries) == sorted(one.stored) == sorted(uids.values())
    assert {kind: became["status"] for kind, became in sent(tmp_path, 0)[str(archive)].items()} == {
        "report": "0000", "capture": "0000",
    }  # fmt: skip
    post(outgoing)
    send.stop()
    send(archive)
    time.sleep(0.5)
    assert len(one.tries) == 2


def test_an_archive_that_takes_captures_only_gets_the_captures(send, post, peer, until, quick, tmp_path):
    archive = (one := peer(classes=(CAPTURE,))).start()
    outgoing = send(archive)
    uids = [post(outgoing, number) for number in range(3)]
    until(done(tmp_path, 3))
    assert sorted(one.stored) == sorted(uid["capture"] for uid in uids)
    found = refusals(tmp_path)
    assert set(found) == {"0.report.json", "1.report.json", "2.report.json"}
    for (refusal,) in found.values():
        assert refusal["archive"] == str(archive)
        assert "Comprehensive SR" in refusal["error"] and "no presentation context" in refusal["error"]


def test_an_archive_that_takes_nothing_has_said_so(send, post, peer, until, quick, tmp_path):
    archive = (one := peer(classes=("1.2.840.10008.5.1.4.1.1.2",))).start()
    post(send(archive))
    until(done(tmp_path, 1))
    assert not one.tries and set(refusals(tmp_path)) == {"0.report.json", "0.capture.json"}


def test_a_class_that_is_accepted_again_in_time_is_sent(send, post, peer, until, tmp_path):
    """By the waits as they are: the archive learns the class within them."""
    first = peer(classes=(CAPTURE,))
    archive = first.start()
    post(send(archive))
    until(lambda: first.stored)
    first.stop()
    second = peer()
    second.start(archive.port)
    until(done(tmp_path, 1))
    assert len(second.stored) == 1 and not refusals(tmp_path)


@pytest.mark.parametrize("status", [0x0111, 0xB000, 0xB007])
def test_what_the_archive_has_already_or_takes_with_a_remark_is_delivered(send, post, peer, until, tmp_path, status):
    archive = (one := peer(answer=lambda result, times: status)).start()
    post(send(archive))
    until(done(tmp_path, 1))
    assert len(one.tries) == 2 and not refusals(tmp_path)
    assert {became["state"] for became in sent(tmp_path, 0)[str(archive)].values()} == {"stored"}


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0xC123, 0x0122, 0x0124, 0x0117])
def test_a_permanent_refusal_is_named_and_the_rest_goes_on(send, post, peer, until, quick, tmp_path, status):
    """One patient is refused."""
    archive = (one := peer(answer=lambda result, times: status if result.PatientID == "P7" else 0)).start()
    outgoing = send(archive)
    refused = post(outgoing, 0, PatientID="P7")
    others = [post(outgoing, number) for number in (1, 2)]
    until(done(tmp_path, 3))
    assert sorted(one.stored) == sorted(uid for other in others for uid in other.values())
    assert {one.tries.count(uid) for uid in refused.values()} == {1}
    found = refusals(tmp_path)
    assert set(found) == {"0.report.json", "0.capture.json"}
    assert all(f"status {status:04X}" in refusal["error"] for (refusal,) in found.values())
    assert "P7" not in " ".join(outgoing.said)


def test_out_of_resources_is_waited_out(send, post, peer, until, quick, tmp_path):
    archive = (one := peer(answer=lambda result, times: 0xA700 if times < 15 else 0)).start()
    post(send(archive))
    until(done(tmp_path, 1))
    assert len(one.stored) == 2 and len(one.tries) == 30 and not refusals(tmp_path)


def test_a_processing_failure_is_tried_ten_times(send, post, peer, until, quick, tmp_path):
    archive = (one := peer(answer=lambda result, times: 0x0110 if result.Modality == "SR" else 0)).start()
    post(send(archive))
    until(done(tmp_path, 1))
    assert len(one.tries) == 11
    ((refusal,),) = refusals(tmp_path).values()
    assert "0110, 10 times" in refusal["error"]


def test_a_result_at_which_the_archive_hangs_up_does_not_hold_up_the_others(send, post, peer, until, quick, tmp_path):
    archive = (one := peer(answer=lambda result, times: None if result.PatientID == "P7" else 0)).start()
    outgoing = send(archive)
    post(outgoing, 0, PatientID="P7")
    number = 0
    while len(refusals(tmp_path)) < 2 and number < 200:
        number += 1
        uids = post(outgoing, number)
        until(lambda uids=uids: set(one.stored) >= set(uids.values()))
    until(done(tmp_path, number + 1))
    assert len(one.stored) == number * 2
    assert set(refusals(tmp_path)) == {"0.report.json", "0.capture.json"}


def test_an_archive_that_hangs_up_at_everything_is_waited_for(send, post, peer, until, quick, tmp_path):
    """That is not the results' doing, so none is refused."""
    archive = (one := peer(answer=lambda result, times: None if len(one.tries) < 40 else 0)).start()
    post(send(archive))
    until(done(tmp_path, 1))
    assert len(one.stored) == 2 and not refusals(tmp_path)


def test_a_silent_archive_holds_up_no_other_and_no_end(send, post, peer, until, tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        away = Archive("SILENT", "127.0.0.1", silent.getsockname()[1], "FREEZENET")
        archive = (one := peer()).start()
        outgoing = send(away, archive)
        post(outgoing)
        # An answer that is cut off on its way back would rightly be sent again.
        until(lambda: len(settled(tmp_path / "sending", 0).get(str(archive), {})) == 2, 20)
        assert len(one.stored) == 2
        send.stop()
        # Nor does a thread stay that would keep the process.
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("sender") or (not thread.daemon
                    and "run_reactor" in thread.name)]  # fmt: skip
    assert [path.name for path in (tmp_path / "sending").iterdir()] == ["0.json"]
    # The next process sends the rest, and only that.
    second = peer(title="SILENT")
    second.start(away.port)
    send(away, archive)
    until(done(tmp_path, 1))
    assert len(second.stored) == 2 and len(one.tries) == 2


def test_an_archive_that_comes_back_is_said(send, post, peer, until, quick, tmp_path):
    one = peer()
    archive = one.start()
    one.stop()
    outgoing = send(archive)
    post(outgoing)
    until(lambda: outgoing.said)
    assert "An answer cannot be delivered" in outgoing.said[0] and "no answer" in outgoing.said[0]
    two = peer()
    two.start(archive.port)
    until(done(tmp_path, 1))
    assert outgoing.said[1:] == [f"{archive} answers again."] and len(two.stored) == 2


def test_another_archive_after_a_restart_gets_what_waits(send, post, peer, until, tmp_path):
    outgoing = send(Archive("AWAY", "127.0.0.1", 9, "FREEZENET"))
    post(outgoing)
    until(lambda: outgoing.said)
    send.stop()
    send(( one := peer()).start())  # fmt: skip
    until(done(tmp_path, 1))
    assert len(one.stored) == 2


def test_a_queue_that_a_power_cut_spoiled_is_found_again(send, post, peer, until, tmp_path):
    outgoing = Outgoing(tmp_path, [Archive("AWAY", "127.0.0.1", 9, "FREEZENET")])
    outgoing.load()
    uids = post(outgoing)
    (tmp_path / "sending" / "0.json").write_bytes(b"\0\0\0")
    send((one := peer()).start())
    until(done(tmp_path, 1))
    assert sorted(one.stored) == sorted(uids.values())


def test_a_result_whose_file_is_gone_is_named(send, post, peer, until, tmp_path):
    outgoing = Outgoing(tmp_path, [Archive("AWAY", "127.0.0.1", 9, "FREEZENET")])
    outgoing.load()
    post(outgoing)
    result_path(outgoing.answers, "0", "report").unlink()
    send((one := peer()).start())
    until(done(tmp_path, 1))
    assert len(one.stored) == 1 and set(refusals(tmp_path)) == {"0.report.json"}


def test_a_drive_that_went_away_is_waited_for(send, post, peer, until, quick, tmp_path):
    outgoing = Outgoing(tmp_path / "drive", [Archive("AWAY", "127.0.0.1", 9, "FREEZENET")])
    outgoing.load()
    post(outgoing)
    archive = (one := peer()).start()
    outgoing = Outgoing(tmp_path / "drive", [archive])
    outgoing.load()
    (tmp_path / "drive").rename(tmp_path / "elsewhere")
    said = []
    sender = Sender(archive, outgoing, said.append)
    sender.start()
    until(lambda: said)
    assert "FileNotFoundError" in said[0] and not (tmp_path / "drive").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "drive")
    until(done(tmp_path / "drive", 1))
    sender.stop()
    assert len(one.stored) == 2 and not refusals(tmp_path / "drive")


def test_many_threads_and_archives_lose_nothing(send, post, peer, until, tmp_path):
    peers = [peer() for _ in range(3)]
    outgoing = send(*(one.start() for one in peers))
    threads = [threading.Thread(target=post, args=(outgoing, number)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(done(tmp_path, 12))
    assert [len(one.stored) for one in peers] == [24] * 3
    assert all(len(sent(tmp_path, number)) == 3 for number in range(12))
