"""Send, kill, and count what became of each image that was acknowledged."""

from __future__ import annotations

import hashlib
import json
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import (
    ComprehensiveSRStorage,
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from freezenet.edge_runtime.images.reader import read_gray
from studies.stress.dicom_node.peers import REFUSED, FileArchive, Node, ScriptedArchive, captures_only, picky, send

#: Seconds of the node's life before a SIGKILL, smallest and largest, and for which deliveries are waited for at the end.
_LIFE, _PATIENCE = (1.5, 6.0), 900
_CLASSES = {"report": str(ComprehensiveSRStorage), "capture": str(SecondaryCaptureImageStorage)}


@dataclass(frozen=True)
class Tally:
    """What was found after all was delivered.

    stores: C-STOREs, each with pixels of its own, of `uids` UIDs. acknowledged: of them. sent_again: C-STOREs that a kill left without an
    acknowledgement. lost: acknowledged images that are not kept bit for bit. unanswered, answered_twice: of the acknowledged. reports, captures:
    results that there are. undelivered: results that an archive lacks although it takes them. delivered_twice: results that an archive in this
    process was sent again, as it may be after a kill. refused: results that an archive refused, named with the reason. unnamed: refused without a name
    in rejected/, or named without a refusal. left_over: files that wait where nothing should.
    """

    stores: int
    uids: int
    senders: int
    kills: int
    acknowledged: int
    sent_again: int
    lost: int
    unanswered: int
    answered_twice: int
    reports: int
    captures: int
    undelivered: int
    delivered_twice: int
    refused: int
    unnamed: int
    left_over: int
    log_lines: int
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, mixed or forgotten."""
        wrong = (self.lost, self.unanswered, self.answered_twice, self.undelivered, self.unnamed, self.left_over)
        return self.acknowledged == self.stores and not any(wrong)


def make_images(images: list[Path], folder: Path, *, stores: int, uids: int) -> list[Path]:
    """Write the files to send: image `n` has UID and patient `n % uids`, and pixels that no other has."""
    folder.mkdir()
    made = []
    for number in range(stores):
        pixels = read_gray(images[number % len(images)]).copy()
        pixels[0, :8] = np.frombuffer(number.to_bytes(8, "big"), np.uint8)
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = ComputedRadiographyImageStorage
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[f"image {number % uids}"])
        dataset.StudyInstanceUID = generate_uid(entropy_srcs=[f"study {number % uids}"])
        dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[f"series {number % uids}"])
        dataset.PatientName, dataset.PatientID = f"Stress^{number % uids}", f"P{number % uids}"
        dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "CR", "CHEST", "PA"
        dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MONOCHROME2", 1
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        content = pixels.tobytes()
        dataset.PixelData = content + bytes(len(content) % 2)
        made.append(folder / f"{number:04d}.dcm")
        dataset.save_as(made[-1], enforce_file_format=True)
    return made


class Stress:
    """One run in a folder.

    Args:
        model: The model file.
        folder: Where all of it lies.
        images: The files to send.
        senders: Senders at once.
        kills: SIGKILLs, the last of them after the last image was acknowledged.
        seed: Of their moments.
    """

    def __init__(self, model: Path, folder: Path, images: list[Path], *, senders: int, kills: int, seed: int) -> None:
        """Nothing is started yet."""
        self.images, self.senders, self.kills = images, senders, kills
        self.all, self.captures, self.picky = FileArchive(folder / "all"), captures_only(), picky()
        self._rng = random.Random(seed)
        self._model, self._folder = model, folder
        self._acknowledged, self._sent_again, self._lock = 0, 0, threading.Lock()

    def run(self) -> Tally:
        """Do all of it; the archives are stopped at the end."""
        begun = time.perf_counter()
        with ExitStack() as stack:
            for archive in (self.captures, self.picky):
                archive.start()
                stack.callback(archive.stop)
            ports = {"ALL": self.all.port, "CAPTURES": self.captures.port, "PICKY": self.picky.port}
            node = Node(
                self._model, self._folder / "node", [f"{title}@127.0.0.1:{port}" for title, port in ports.items()]
            )
            node.start()
            stack.callback(node.kill)
            stack.callback(self.all.stop)
            self._send_and_kill(node)
            _wait(lambda: not self._waiting(node.folder))
            node.stop()
        return self._tally(node, time.perf_counter() - begun)

    def _send_and_kill(self, node: Node) -> None:
        left: queue.Queue[Path] = queue.Queue()
        # So that images arrive for as long as it is killed.
        pause = self.kills * sum(_LIFE) / 2 * self.senders / len(self.images)
        for image in self._rng.sample(self.images, len(self.images)):
            left.put(image)
        threads = [threading.Thread(target=self._sender, args=(node, left, pause)) for _ in range(self.senders)]
        for thread in threads:
            thread.start()
        for _ in range(self.kills):
            time.sleep(self._rng.uniform(*_LIFE))
            self._archive_comes_back()
            node.kill()
            node.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
                self._archive_comes_back()

    def _archive_comes_back(self) -> None:
        if self._acknowledged >= len(self.images) // 2 and not self.all.folder.exists():
            self.all.start()

    def _sender(self, node: Node, left: queue.Queue[Path], pause: float) -> None:
        while True:
            time.sleep(self._rng.uniform(0, 2 * pause))
            try:
                image = left.get_nowait()
            except queue.Empty:
                return
            while not send(node.port, image):
                with self._lock:
                    self._sent_again += 1
                time.sleep(0.2)
            with self._lock:
                self._acknowledged += 1

    def _waiting(self, folder: Path) -> list[Path]:
        received = [
            path for path in (folder / "received").rglob("*") if path.is_file() and ".freezenet-" not in path.name
        ]
        return [*received, *(folder / "sending").iterdir(), *folder.rglob(".*.partial*")]

    def _tally(self, node: Node, seconds: float) -> Tally:
        answers = node.folder / "answers"
        kept = Counter(_data_set(path) for path in (answers / "processed").iterdir())
        records = [json.loads(path.read_bytes()) for path in answers.glob("*.json")]
        answered = Counter(record["input_sha256"] for record in records)
        sent = [_data_set(path) for path in self.images]
        digests = {
            _data_set(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in (answers / "processed").iterdir()
        }
        results = [pydicom.dcmread(path, stop_before_pixels=True) for path in answers.glob("*.dcm.*.dcm")]
        named = {(path.name, one["archive"].split("@")[0]) for path in (answers / "rejected").glob("*.json")
                 for one in json.loads(path.read_bytes()).get("refusals", [{"archive": "none@"}])}  # fmt: skip
        expected = {(f"{path.name.removesuffix('.dcm')}.json", archive)
                    for path in answers.glob("*.dcm.*.dcm") for archive in self._refusing(pydicom.dcmread(path, stop_before_pixels=True))}  # fmt: skip
        have = {"ALL": self.all.stored(), "CAPTURES": self.captures.stored, "PICKY": self.picky.stored}
        undelivered = sum(
            str(one.SOPInstanceUID) not in {uid for _, uid in have[title]}
            for title in have for one in results if title not in self._refusing(one)
        )  # fmt: skip
        scripted: list[ScriptedArchive] = [self.captures, self.picky]
        return Tally(
            stores=len(self.images),
            uids=len({pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID for path in self.images}),
            senders=self.senders,
            kills=self.kills,
            acknowledged=self._acknowledged,
            sent_again=self._sent_again,
            lost=sum(not kept[one] for one in sent),
            unanswered=sum(not answered[digests.get(one, "")] for one in sent),
            answered_twice=sum(count > 1 for count in answered.values()),
            reports=sum(str(one.SOPClassUID) == _CLASSES["report"] for one in results),
            captures=sum(str(one.SOPClassUID) == _CLASSES["capture"] for one in results),
            undelivered=undelivered,
            delivered_twice=sum(len(archive.stored) - len(set(archive.stored)) for archive in scripted),
            refused=len(expected),
            unnamed=len(named ^ expected),
            left_over=len(self._waiting(node.folder)),
            log_lines=len(node.log.read_text().splitlines()),
            seconds=round(seconds, 1),
        )

    def _refusing(self, result: Dataset) -> set[str]:
        """Return the archives that refuse a result for good."""
        captures = {"CAPTURES"} if str(result.SOPClassUID) != _CLASSES["capture"] else set()
        return captures | ({"PICKY"} if result.PatientID == REFUSED else set())


def _data_set(path: Path) -> bytes:
    """Return the digest of what was sent: the bytes behind the file meta information."""
    with path.open("rb") as file:
        read_preamble(file, False)
        _read_file_meta_info(file)
        return hashlib.sha256(file.read()).digest()


def _wait(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)
