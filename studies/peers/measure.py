"""All ways side by side: accuracy, steady time by file, cold start, memory, weight, and the throughput of a folder."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.system.environment import environment
from studies.clients.runtimes import installed_version
from studies.peers.accuracy import KnownFiles, accuracies
from studies.peers.files import write_files
from studies.peers.folder import folder_throughput
from studies.peers.networks import Networks
from studies.peers.process import WayProcess, usable_cores
from studies.peers.ways import OURS, Setting, Start, ways
from studies.peers.weight import installed_megabytes
from studies.tools import MissingToolError

if TYPE_CHECKING:
    from freezenet.train.run import Run

logger = logging.getLogger(__name__)

#: Packages whose versions stand in the result beside the environment's.
_PEERS = ("pillow", "onnxruntime", "openvino", "tf2onnx", "nncf", "ai-edge-quantizer", "keras", "pydicom")
#: Which files the cold start and the peak memory are measured with.
_START_FILE, _MEMORY_FILE = "jpeg-512.jpg", "jpeg-2048.jpg"


def measure(
    model: Path,
    tools: Path,
    *,
    run: Run | None = None,
    data: Path | None = None,
    image: Path | None = None,
    rounds: int = 20,
    times: int = 5,
    starts: int = 7,
    folder_images: int = 200,
) -> dict[str, Any]:
    """Measure every way with one model file and return the figures (JSON types; milliseconds, bytes).

    Everything runs on one CPU core, the throughput on one and on two.

    Args:
        model: a file in a MODELS folder.
        tools: folder where MediaPipe is installed.
        run: the finished RUN that it was converted from: its test images tell the accuracy, its training images the ranges of the
            other makers' integers. None leaves out both.
        data: where the run's DATA lies now, if it was moved.
        image: the X-ray that the files are made from, see `write_files`.
        rounds: turns; in each, every way in its own process answers every file, in changing order.
        times: timed answers to a file in a turn.
        starts: fresh processes of each way, for cold start and peak memory.
        folder_images: how many files are made of each JPEG in the folder for the throughput.
    """
    card = ModelCard.read(model)
    with tempfile.TemporaryDirectory(prefix="freezenet-peers-") as temporary:
        work = Path(temporary)
        files = write_files(work / "files", image)
        setting = Setting(Networks(model.resolve(), card, work, run, data), tools)
        images = None if run is None else KnownFiles.of(run, data)
        started: dict[str, Start] = {}
        figures: dict[str, dict[str, Any]] = {}
        packages: dict[str, tuple[str, ...]] = {}
        for way in ways(card):
            logger.info(f"preparing {way.name}")
            figures[way.name] = {"pixels": way.pixels, "network": way.network, "skipped": None}
            packages[way.name] = way.packages
            try:
                started[way.name] = way.start(setting)
            except MissingToolError as error:
                figures[way.name]["skipped"] = str(error)
        core = usable_cores()[-1:]
        logger.info(f"steady, {rounds} rounds")
        steady = _steady(started, files, rounds, times, core, DecisionRule.from_card(card))
        for name, by_file in steady.items():
            reasons = {one.get("cannot") for one in by_file.values()}
            if len(reasons) == 1 and None not in reasons:
                figures[name].update(skipped=reasons.pop())
                del started[name]
        logger.info(f"cold start, {starts} of each")
        cold = _cold(started, files, starts, core)
        if images is not None:
            logger.info(f"accuracy, {len(images.paths)} images")
        right = {} if images is None else accuracies(started, images, core)
        for name, start in started.items():
            weight = _weight(start, packages[name])
            figures[name].update(files=steady[name], start=cold[name], accuracy=right.get(name), weight=weight)
        logger.info("folder")
        folder = folder_throughput(model, [files[_START_FILE], files[_MEMORY_FILE]], folder_images)
    return {
        "model": model.name,
        "image": "a drawn phantom" if image is None else image.name,
        "rounds": rounds,
        "times": times,
        "starts": starts,
        "test_images": 0 if images is None else len(images.paths),
        "ways": figures,
        "folder": folder,
        "peers": {package: found for package in _PEERS if (found := _version(package))},
        "environment": environment(),
    }


def _steady(
    started: dict[str, Start], files: dict[str, Path], rounds: int, times: int, cores: list[int], rule: DecisionRule
) -> dict[str, dict[str, Any]]:
    """Return way -> file -> p50, p95, ratio to ours, agreement with ours, or why there are none."""
    turns: dict[tuple[str, str], list[list[float]]] = {(way, file): [] for way in started for file in files}
    scores: dict[tuple[str, str], Any] = {}
    cannot: dict[tuple[str, str], str] = {}
    with ExitStack() as stack:
        processes = {way: stack.enter_context(WayProcess(start, cores)) for way, start in started.items()}
        for number in range(rounds):
            for file, path in files.items():
                # Which way comes after which changes, because each leaves the processor's cache as it does.
                order = list(started)[number % len(started) :] + list(started)[: number % len(started)]
                for way in order if number % 2 else reversed(order):
                    if (way, file) in cannot:
                        continue
                    reply = processes[way].ask(path, times)
                    if "cannot" in reply:
                        cannot[way, file] = reply["cannot"]
                        continue
                    turns[way, file].append(reply["ms"])
                    scores[way, file] = reply["scores"]
    result: dict[str, dict[str, Any]] = {way: {} for way in started}
    for way, file in turns:
        if (way, file) in cannot:
            result[way][file] = {"cannot": cannot[way, file]}
            continue
        own = turns[OURS, file] if (OURS, file) not in cannot else None
        result[way][file] = {
            **_percentiles(turns[way, file]),
            "ours_to_this": None if own is None else _paired_ratio(own, turns[way, file]),
            **_agreement(rule, scores.get((OURS, file)), scores[way, file], calibrated=way == OURS),
        }
    return result


def _percentiles(turns: Sequence[Sequence[float]]) -> dict[str, float]:
    values = np.concatenate([np.asarray(one) for one in turns])
    return {f"p{share}_ms": round(float(np.percentile(values, share)), 4) for share in (50, 95)}


def _paired_ratio(own: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> float:
    """Return the median over the rounds of our median time over the other's: a drift of the machine cancels out."""
    ratios = [statistics.median(ours) / statistics.median(theirs) for ours, theirs in zip(own, other, strict=True)]
    return round(statistics.median(ratios), 4)


def _agreement(rule: DecisionRule, own: Any, scores: Any, calibrated: bool) -> dict[str, Any]:
    """Return whether the class is ours, and the largest difference of a calibrated probability."""
    if own is None or scores is None:
        return {"same_class": None, "largest_difference": None}
    other = np.asarray(scores) if calibrated else rule.probabilities(scores)
    return {
        "same_class": bool(np.argmax(own) == other.argmax()),
        "largest_difference": round(float(np.abs(np.asarray(own) - other).max()), 6),
    }


def _cold(
    started: dict[str, Start], files: dict[str, Path], starts: int, cores: list[int]
) -> dict[str, dict[str, float | int | None]]:
    """Return way -> median milliseconds from nothing to the first answer, and the median peak memory in bytes."""
    found: dict[str, list[tuple[float, int | None]]] = {way: [] for way in started}
    for number in range(starts + 1):
        for way, start in started.items():
            with WayProcess(start, cores) as process:
                reply = process.ask(files[_START_FILE], 0)
                milliseconds = (time.perf_counter() - process.started) * 1e3
                if "cannot" not in reply and "cannot" not in process.ask(files[_MEMORY_FILE], 3) and number:
                    found[way].append((milliseconds, process.peak_memory()))
    result: dict[str, dict[str, float | int | None]] = {}
    for way, values in found.items():
        peaks = [peak for _, peak in values if peak is not None]
        result[way] = {
            "first_answer_ms": round(statistics.median(ms for ms, _ in values), 1) if values else None,
            "peak_memory_bytes": int(statistics.median(peaks)) if peaks else None,
        }
    return result


def _weight(start: Start, packages: Sequence[str]) -> dict[str, Any]:
    try:
        return {"megabytes": installed_megabytes(start, packages)}
    except MissingToolError as error:
        return {"cannot": str(error)}


def _version(package: str) -> str | None:
    try:
        return installed_version(package)
    except MissingToolError:
        return None
