"""The verb of the watched folder: watch."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from freezenet.edge_runtime.options import ignore_tags_option, json_option, runtime_option, threads_option

if TYPE_CHECKING:
    pass


@click.command()
@click.argument("model", type=click.Path())
@click.argument("inbox", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--out",
    "outbox",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="OUTBOX",
    help="For the answers.",
)
@click.option("--cam", is_flag=True, help="Write the class activation map, too: <name>.cam.png beside <name>.json.")
@click.option(
    "--settle",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="A file is finished when it did not change for so long.",
)
@click.option(
    "--interval",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks at the inbox.",
)
@click.option("--once", is_flag=True, help="Process what is there, then end; exit code 1 where not all was answered.")
@click.option("--names", is_flag=True, help="Name files on stdout and stderr; their names may hold patients' names.")
@ignore_tags_option
@json_option
@threads_option
@runtime_option
def watch(
    model: str,
    inbox: Path,
    outbox: Path,
    cam: bool,
    settle: float,
    interval: float,
    once: bool,
    names: bool,
    ignore_tags: bool,
    as_json: bool,
    threads: int,
    runtime: str | None,
) -> None:
    """Answer each finished file that arrives in INBOX exactly once, across restarts and kills.

    The answer is OUTBOX/<name>.json, the file moves to OUTBOX/processed/, or to OUTBOX/rejected/ with the reason. stdout has
    one line for each: the first 12 digits of the content's SHA-256 and what became of it. SIGTERM and Ctrl-C finish the file
    under work.
    """
    if os.name != "posix":
        from freezenet.edge_runtime.errors import FreezenetError

        raise FreezenetError(f"Linux or macOS is required by watch. Got: {sys.platform}.")
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.edge_runtime.watch.service import Reporter, told_to_stop
    from freezenet.edge_runtime.watch.watcher import Spool

    reporter = Reporter(as_json, names)
    with told_to_stop() as stop:
        spool = Spool(
            Classifier(model, threads=threads, runtime=runtime, trust_tags=not ignore_tags),
            inbox,
            outbox,
            overlay=cam,
            settle=settle,
            interval=interval,
            on_done=reporter.done,
            say=reporter.say,
            alive=reporter.alive,
            names=names,
        )
        reporter.ready("watching")
        reporter.say(f"Watching {inbox}; answers go to {outbox}.")
        if once:
            left = spool.run_out(stop)
            if left:
                reporter.say(f"{left} files stay in the inbox.")
            if left or reporter.counts["rejected"]:
                sys.exit(1)
        else:
            spool.run(stop)
