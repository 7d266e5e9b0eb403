"""Kill random processes of `freezenet screen` at random moments, and compare its rows with those of a run that nobody disturbed.

    python -m studies.stress.screen MODEL IMAGE... [--files 100000] [--kills 50] [--workers 2] [--shard 1000] [--json]

The files are copies of the images, each with bytes of its own, so that no two are equal, but for every 50th, which repeats an earlier one;
every 4th JPEG is wrapped into a DICOM file, every 100th file is cut to a third. Killed is one of: the command itself, which is then started
again, a process that answers, and one that decodes for it. At the end each file must have exactly one row, equal in all that is not
measured anew.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from freezenet.edge_runtime.system.child import module_command
from studies.command import StudyCommand, hand_over_tally, images_argument, model_argument, result_options
from studies.screen.archive import write_archive

#: Columns that each run measures for itself.
_OWN = ("ms_fetch", "ms_decode", "ms_preprocess", "ms_invoke")


@dataclass(frozen=True)
class Tally:
    """What was found.

    files, kills: as asked. killed: kind of process -> how often. starts: of the command. lost, doubled: files without a row, with more than
    one. different: rows unlike those of the quiet run. differences: some of these. statuses: of the quiet run. left_over: half-written
    files. seconds: of the disturbed run; quiet_seconds: of the other. memory_mb: of the quiet run's command, and of it with all its
    processes, at each tenth of its time.
    """

    files: int
    kills: int
    killed: dict[str, int]
    starts: int
    lost: int
    doubled: int
    different: int
    differences: list[str]
    statuses: dict[str, int]
    left_over: int
    seconds: float
    quiet_seconds: float
    memory_mb: list[list[float]]

    @property
    def passed(self) -> bool:
        """Whether every file has exactly one row, the right one."""
        return not (self.lost or self.doubled or self.different or self.left_over)


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


def watched(command: list[str], log: Path) -> list[tuple[float, float]]:
    """Run a command to its end; return the memory of it, and of it and all its processes, in MB, every second."""
    found = []
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
        while process.poll() is None:
            time.sleep(1)
            there = [(pid, memory_mb(pid)) for pid, _ in processes_below(process.pid)]
            found.append((sum(mb for pid, mb in there if pid == process.pid), sum(mb for _, mb in there)))
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {log.read_text()[-500:]}")
    return found


def disturb(
    command: list[str], out: Path, *, kills: int, seed: int, pause: float, log: Path
) -> tuple[Counter[str], int]:
    """Run a command again until it ends by itself while its processes are killed; return kills by kind, and starts."""
    rng, killed, starts = random.Random(seed), Counter[str](), 0
    with log.open("wb") as file:
        while True:
            starts += 1
            process = subprocess.Popen(command, stdout=file, stderr=file)
            until = time.monotonic() + rng.uniform(pause / 10, 2 * pause)
            while process.poll() is None:
                time.sleep(0.05)
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
                return killed, starts
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
    """Screen the same archive twice, once disturbed, and compare row by row."""
    source, quiet, disturbed = home / "archive", home / "quiet", home / "disturbed"
    write_archive(source, images, files)
    started = time.perf_counter()
    memory = watched(screen_command(model, source, quiet, workers, shard), home / "quiet.txt")
    quiet_seconds = time.perf_counter() - started
    started = time.perf_counter()
    command = screen_command(model, source, disturbed, workers, shard)
    killed, starts = disturb(command, disturbed, kills=kills, seed=seed, pause=pause, log=home / "disturbed.txt")
    seconds = time.perf_counter() - started
    expected, found = _rows(quiet), _rows(disturbed)
    names = Counter(row["uri"] for row in found)
    there = {str(path) for path in source.rglob("*") if path.is_file()}
    by_name = {row["uri"]: row for row in found}
    different = [row["uri"] for row in expected if by_name.get(row["uri"]) != row]
    tenths = [memory[len(memory) * tenth // 10] for tenth in range(10)] if memory else []
    return Tally(
        files=files,
        kills=killed.total(),
        killed=dict(killed),
        starts=starts,
        lost=len(there - names.keys()),
        doubled=sum(count > 1 for count in names.values()),
        different=len(different),
        differences=[f"{name}: {by_name.get(name)}"[:300] for name in different[:5]],
        statuses=dict(Counter(row["status"] for row in expected)),
        left_over=sum(1 for path in disturbed.rglob("*.partial*")),
        seconds=round(seconds, 1),
        quiet_seconds=round(quiet_seconds, 1),
        memory_mb=[[round(one, 1) for one in both] for both in tenths],
    )


def _rows(out: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    return pq.read_table(out / "rows").sort_by("number").drop_columns(list(_OWN)).to_pylist()


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
    with nullcontext(home) if home else tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        found = measure(
            model, list(images), Path(folder), files=files, kills=kills, workers=workers, shard=shard, seed=seed,
            pause=pause,
        )  # fmt: skip
    hand_over_tally(model, found, "screen-kills", as_json, out)


if __name__ == "__main__":
    main()
