"""Kill random processes of `freezenet screen` at random moments, and compare its rows with those of a run that nobody disturbed.

    python -m studies.stress.screen MODEL IMAGE... [--files 100000] [--kills 50] [--workers 2] [--shard 1000] [--json]

The files are copies of the images, each with bytes of its own behind its end, so that no two are equal, but for every 50th, which repeats an
earlier one; every 100th is cut to a third. Killed is one of: the command itself, which is then started again, a process that answers, and
one that decodes for it. At the end each file must have exactly one row, equal in all that is not measured anew.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from freezenet.edge_runtime.system.child import module_command
from studies.command import StudyCommand, hand_over_tally, images_argument, model_argument, result_options

_DAMAGED_EVERY, _REPEATED_EVERY = 100, 50
#: Files of a folder.
_FOLDER = 1000
#: Columns that each run measures for itself.
_OWN = ("ms_fetch", "ms_decode", "ms_preprocess", "ms_invoke")


@dataclass(frozen=True)
class Tally:
    """What was found.

    files, kills: as asked. killed: kind of process -> how often. starts: of the command. lost, doubled: files without a row, with more than
    one. different: rows unlike those of the quiet run. statuses: of the quiet run. left_over: half-written files. seconds: of the
    disturbed run; quiet_seconds: of the other.
    """

    files: int
    kills: int
    killed: dict[str, int]
    starts: int
    lost: int
    doubled: int
    different: int
    statuses: dict[str, int]
    left_over: int
    seconds: float
    quiet_seconds: float
    peak_mb: float

    @property
    def passed(self) -> bool:
        """Whether every file has exactly one row, the right one."""
        return not (self.lost or self.doubled or self.different or self.left_over)


def write_archive(folder: Path, images: list[Path], files: int) -> None:
    """Fill a folder with changed copies of images."""
    contents = [path.read_bytes() for path in images]
    for number in range(files):
        home = folder / f"{number // _FOLDER:03d}"
        home.mkdir(parents=True, exist_ok=True)
        own = number // 2 if number % _REPEATED_EVERY == _REPEATED_EVERY - 1 else number
        data = contents[own % len(contents)] + f"\0number {own}\0".encode()
        if number % _DAMAGED_EVERY == _DAMAGED_EVERY // 2:
            data = data[: len(data) // 3]
        (home / f"{number:06d}{images[own % len(images)].suffix}").write_bytes(data)


def screen_command(model: Path, source: Path, out: Path, workers: int, shard: int) -> list[str]:
    """Return the command that screens an archive."""
    more = ("--workers", str(workers), "--shard", str(shard), "--json")
    return module_command("freezenet", "screen", str(model), str(source), "--out", str(out), *more)


def processes_below(pid: int) -> Iterator[tuple[int, str]]:
    """Yield (number, kind) of a process and all below it: command, answering, decoding."""
    kind = "command"
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for task in Path(f"/proc/{pid}/task").iterdir():  # children belong to the thread that made them
            children += (task / "children").read_text().split() if task.name != str(pid) else []
    except OSError:
        return
    if b"screen.engines.process" in line:
        kind = "answering"
    elif b"bounds.process" in line:
        kind = "decoding"
    yield pid, kind
    for child in children:
        yield from processes_below(int(child))


def memory_mb(pid: int) -> float:
    """Return the resident memory of one process in MB, 0 where it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * 4096 / 1e6


def disturb(
    command: list[str], out: Path, *, kills: int, seed: int, pause: float, log: Path
) -> tuple[Counter[str], int, float]:
    """Run a command again until it ends by itself while its processes are killed; return kills by kind, starts, and the largest memory of the
    command itself in MB.
    """
    rng, killed, starts, peak = random.Random(seed), Counter[str](), 0, 0.0
    with log.open("wb") as file:
        while True:
            starts += 1
            process = subprocess.Popen(command, stdout=file, stderr=file)
            until = time.monotonic() + rng.uniform(pause / 10, 2 * pause)
            while process.poll() is None:
                time.sleep(0.05)
                peak = max(peak, memory_mb(process.pid))
                if killed.total() < kills and time.monotonic() >= until:
                    found = list(processes_below(process.pid))
                    if found:
                        pid, kind = rng.choice(found)
                        killed[kind] += 1
                        try:
                            (process.send_signal if pid == process.pid else _kill(pid))(signal.SIGKILL)
                        except ProcessLookupError:
                            killed[kind] -= 1
                    until = time.monotonic() + rng.uniform(pause / 10, 2 * pause)
            if process.returncode != -signal.SIGKILL:
                if process.returncode:
                    raise RuntimeError(f"exit code {process.returncode}: {log.read_text()[-500:]}")
                return killed, starts, peak
            shards = list((out / "rows").glob("shard-*")) if out.exists() else []
            print(f"killed {killed.total()} of {kills}; {len(shards)} shards are there", file=sys.stderr)


def _kill(pid: int) -> Any:
    import os

    return lambda number: os.kill(pid, number)


def measure(
    model: Path,
    images: list[Path],
    home: Path,
    *,
    files: int,
    kills: int,
    workers: int,
    shard: int,
    seed: int = 0,
    pause: float = 4.0,
) -> Tally:
    """Screen the same archive twice, once disturbed, and compare."""
    import pyarrow.parquet as pq

    source, quiet, disturbed = home / "archive", home / "quiet", home / "disturbed"
    write_archive(source, images, files)
    started = time.perf_counter()
    done = subprocess.run(screen_command(model, source, quiet, workers, shard), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    quiet_seconds = time.perf_counter() - started
    started = time.perf_counter()
    killed, starts, peak = disturb(
        screen_command(model, source, disturbed, workers, shard),
        disturbed,
        kills=kills,
        seed=seed,
        pause=pause,
        log=home / "log.txt",
    )
    seconds = time.perf_counter() - started
    one, other = (pq.read_table(out / "rows").sort_by("number").drop_columns(list(_OWN)) for out in (quiet, disturbed))
    names = Counter(other["uri"].to_pylist())
    there = {str(path) for path in source.rglob("*") if path.is_file()}
    different = sum(
        a != b
        for left, right in zip(one.to_batches(10_000), other.to_batches(10_000), strict=False)
        if not left.equals(right)
        for a, b in zip(left.to_pylist(), right.to_pylist(), strict=False)
    ) + abs(len(one) - len(other))
    return Tally(
        files=files,
        kills=killed.total(),
        killed=dict(killed),
        starts=starts,
        lost=len(there - names.keys()),
        doubled=sum(count > 1 for count in names.values()),
        different=different,
        statuses=dict(Counter(one["status"].to_pylist())),
        left_over=sum(1 for path in disturbed.rglob("*.partial*")),
        seconds=round(seconds, 1),
        quiet_seconds=round(quiet_seconds, 1),
        peak_mb=round(peak, 1),
    )


@click.command(cls=StudyCommand)
@model_argument
@images_argument
@click.option("--files", default=100_000, show_default=True, type=click.IntRange(1), help="Files of the archive.")
@click.option("--kills", default=50, show_default=True, type=click.IntRange(0), help="SIGKILLs.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Processes that answer.")
@click.option("--shard", default=1000, show_default=True, type=click.IntRange(1), help="Files of a shard.")
@click.option("--pause", default=8.0, show_default=True, help="Mean seconds between two kills.")
@click.option("--seed", default=0, show_default=True, help="Seed of the moments of the kills.")
@click.option("--home", type=click.Path(path_type=Path), help="Folder for the archive; default: a temporary one.")
@result_options
def main(
    model: Path, images: tuple[Path, ...], files: int, kills: int, workers: int, shard: int, pause: float, seed: int,
    home: Path | None, as_json: bool, out: Path | None,
) -> None:  # fmt: skip
    """Kill processes of a screening and count lost, doubled and different rows; exit code 1 if there are any."""
    folder = home or Path(tempfile.mkdtemp())
    try:
        found = measure(
            model, list(images), folder, files=files, kills=kills, workers=workers, shard=shard, seed=seed, pause=pause
        )
    finally:
        if home is None:
            shutil.rmtree(folder, ignore_errors=True)
    hand_over_tally(model, found, "screen-kills", as_json, out)


if __name__ == "__main__":
    main()
