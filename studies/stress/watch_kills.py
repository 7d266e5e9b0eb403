"""Kill `freezenet watch` at random moments while files arrive, and count what became of each file.

    python -m studies.stress.watch_kills MODEL IMAGE... [--files 500] [--kills 50] [--json]

The files are copies of the images, each with a few bytes of its own behind its end, so that no two are equal; every 25th is cut
in half. A feeder copies them into the inbox, most of them slowly and under their final name, so that half-copied files lie
there, the others under a temporary name that is then changed. `watch` is started again after each SIGKILL. At the end
each file must have exactly one result, the one that the same bytes get in this process, and nothing else may be left.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from freezenet.edge_runtime.system.child import module_command
from studies.command import StudyCommand, hand_over_tally, images_argument, model_argument, result_options

#: Seconds of the watcher's life between start and SIGKILL, smallest and, unless another is given, largest.
_SHORTEST, LONGEST = 0.05, 1.6
_SETTLE, _INTERVAL = 0.2, 0.05
_DAMAGED_EVERY = 25


@dataclass(frozen=True)
class Tally:
    """What was found after the last start had ended by itself.

    files: that arrived. answered, rejected: results. kills_within_a_file: kills that left the work on a file begun.
    lost, doubled: files without a result, with more than one. half_written: results, overlays or moved files that are not
    whole. different: answers that are not those of this process. left_over: files that should not be there.
    """

    files: int
    kills: int
    kills_within_a_file: int
    answered: int
    rejected: int
    lost: int
    doubled: int
    half_written: int
    different: int
    left_over: int
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether each file has exactly one whole and right result."""
        return not (self.lost or self.doubled or self.half_written or self.different or self.left_over)


def contents(images: list[Path], files: int) -> dict[str, bytes]:
    """Return name -> bytes of the files to arrive, no two equal."""
    made = {}
    for number in range(files):
        image = images[number % len(images)]
        data = image.read_bytes()
        if number % _DAMAGED_EVERY == _DAMAGED_EVERY - 1:
            data = data[: len(data) // 2]
        made[f"{number:04d}{image.suffix}"] = data + f"\0number {number}\0".encode()
    return made


def feed(inbox: Path, files: dict[str, bytes], seconds: float, seed: int) -> None:
    """Copy the files into the inbox one after the other, within about `seconds`."""
    rng = random.Random(seed)
    for name, data in files.items():
        pause = rng.uniform(0, 2 * seconds / len(files))
        if rng.random() < 0.2:
            (inbox / f"{name}.part").write_bytes(data)
            time.sleep(pause)
            os.replace(inbox / f"{name}.part", inbox / name)
            continue
        parts = rng.randint(1, 4)
        with (inbox / name).open("wb") as file:
            for part in range(parts):
                file.write(data[len(data) * part // parts : len(data) * (part + 1) // parts])
                file.flush()
                time.sleep(pause / parts)


def watch_and_kill(
    model: Path, folder: Path, *, files: dict[str, bytes], kills: int, seed: int, longest: float = LONGEST
) -> int:
    """Let the files arrive while the watcher is killed again and again; return the kills that left a job behind."""
    inbox, outbox = folder / "inbox", folder / "outbox"
    inbox.mkdir()
    arguments = module_command("freezenet", "watch", str(model), str(inbox), "--out", str(outbox), "--cam",
                               "--settle", str(_SETTLE), "--interval", str(_INTERVAL))  # fmt: skip
    rng = random.Random(seed)
    feeder = threading.Thread(target=feed, args=(inbox, files, kills * (_SHORTEST + longest) / 2, seed))
    feeder.start()
    within = 0
    with (folder / "watch.log").open("wb") as log:
        for _ in range(kills):
            watcher = subprocess.Popen(arguments, stdout=log, stderr=log)
            time.sleep(rng.uniform(_SHORTEST, longest))
            watcher.send_signal(signal.SIGKILL)
            watcher.wait()
            within += any((outbox / ".freezenet-watch" / "jobs").glob("*"))
        feeder.join()
        for _ in range(3):
            subprocess.run([*arguments, "--once"], stdout=log, stderr=log, check=False)
            if not [path for path in inbox.iterdir() if path.name != ".freezenet-outbox"]:
                break
    return within


def tally(model: Path, folder: Path, *, files: dict[str, bytes], kills: int, within: int, seconds: float) -> Tally:
    """Compare what lies in the folders with what arrived."""
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.edge_runtime.errors import FreezenetError

    classifier = Classifier(model)
    outbox = folder / "outbox"
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in files}
    expected_files = {".freezenet-watch/mark", ".freezenet-watch/lock"}
    half_written = different = 0
    for path in [*outbox.glob("*.json"), *outbox.glob("rejected/*.json")]:
        where = "rejected" if path.parent != outbox else "processed"
        try:
            record = json.loads(path.read_bytes())
            name = record["file"]
            whole = digests[name] == record["input_sha256"]
        except (ValueError, KeyError):
            half_written += 1
            continue
        moved = outbox / where / path.stem
        whole &= moved.is_file() and hashlib.sha256(moved.read_bytes()).hexdigest() == digests[name]
        expected_files |= {path.relative_to(outbox).as_posix(), moved.relative_to(outbox).as_posix()}
        if "overlay" in record:
            picture = (outbox / record["overlay"]).read_bytes()
            whole &= picture[:4] == b"\x89PNG" and picture[-8:-4] == b"IEND"
            expected_files.add(record["overlay"])
        half_written += not whole
        results[name].append(record)
    for name, records in results.items():
        try:
            given = classifier.predict(files[name]).to_dict()
        except FreezenetError as error:
            given = {"error": str(error)}
        given.pop("timings_ms", None)
        different += sum(any(record.get(key) != value for key, value in given.items()) for record in records)
    there = {path.relative_to(outbox).as_posix() for path in outbox.rglob("*") if path.is_file()}
    left = [path for path in (folder / "inbox").rglob("*") if path.name != ".freezenet-outbox"]
    rejected = sum("error" in record for records in results.values() for record in records)
    return Tally(
        files=len(files),
        kills=kills,
        kills_within_a_file=within,
        answered=sum(map(len, results.values())) - rejected,
        rejected=rejected,
        lost=sum(not records for records in results.values()),
        doubled=sum(len(records) > 1 for records in results.values()),
        half_written=half_written,
        different=different,
        left_over=len(there - expected_files) + len(left),
        seconds=round(seconds, 1),
    )


def measure(
    model: Path, images: list[Path], *, files: int, kills: int, seed: int = 0, longest: float = LONGEST
) -> Tally:
    """Run all of it in a folder of its own."""
    from freezenet.edge_runtime.classifier import Classifier

    Classifier(model)  # or the watcher would refuse it once for every kill
    made = contents(images, files)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        within = watch_and_kill(model, Path(folder), files=made, kills=kills, seed=seed, longest=longest)
        seconds = time.perf_counter() - started
        return tally(model, Path(folder), files=made, kills=kills, within=within, seconds=seconds)


@click.command(cls=StudyCommand)
@model_argument
@images_argument
@click.option("--files", default=500, show_default=True, type=click.IntRange(1), help="Files that arrive.")
@click.option("--kills", default=50, show_default=True, type=click.IntRange(1), help="SIGKILLs while they arrive.")
@click.option(
    "--longest",
    default=LONGEST,
    show_default=True,
    type=click.FloatRange(_SHORTEST),
    metavar="SECONDS",
    help="Longest life of the watcher; on a busy machine its start alone may take more than the default.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the moments of the kills.")
@result_options
def main(
    model: Path,
    images: tuple[Path, ...],
    files: int,
    kills: int,
    longest: float,
    seed: int,
    as_json: bool,
    out: Path | None,
) -> None:
    """Kill the watcher at random moments and count lost, doubled and half-written results; exit code 1 if there are any."""
    found = measure(model, list(images), files=files, kills=kills, seed=seed, longest=longest)
    hand_over_tally(model, found, "watch-kills", as_json, out)


if __name__ == "__main__":
    main()
