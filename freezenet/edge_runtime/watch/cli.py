"""The verb of the watched folder: watch."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.names import counted
from freezenet.edge_runtime.options import Loader, classifier_options, json_option, names_option, setting_option
from freezenet.edge_runtime.watch.settings import WatchSettings


@click.command()
@click.argument("model", type=click.Path())
@click.argument("inbox", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--out",
    "outbox",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="OUTBOX",
    help="Folder for the answers.",
)
@click.option("--cam", is_flag=True, help="Write the class activation map, too: <name>.cam.png beside <name>.json.")
@setting_option(WatchSettings, "settle", metavar="SECONDS")
@setting_option(WatchSettings, "interval", metavar="SECONDS")
@click.option("--once", is_flag=True, help="Process what is there, then end; exit code 1 if anything was not answered.")
@names_option
@json_option
@classifier_options
def watch(
    model: str,
    inbox: Path,
    outbox: Path,
    cam: bool,
    settle: float,
    interval: float,
    once: bool,
    names: bool,
    as_json: bool,
    load: Loader,
) -> None:
    """Answer each finished file that arrives in INBOX exactly once, across restarts and kills.

    The answer is OUTBOX/<name>.json, the file moves to OUTBOX/processed/, or to OUTBOX/rejected/ with the reason. stdout has
    one line for each: the first 12 digits of the content's SHA-256 and what became of it. SIGTERM and Ctrl-C finish the file
    in progress.
    """
    if os.name != "posix":
        raise SettingError(f"Linux or macOS is required by watch. Got: {sys.platform}.")
    from freezenet.edge_runtime.watch.service import Reporter, told_to_stop
    from freezenet.edge_runtime.watch.watcher import Watcher

    reporter = Reporter(as_json, names)
    settings = WatchSettings(settle=settle, interval=interval, overlay=cam, names=names)
    with told_to_stop() as stop:
        watcher = Watcher(load(model), inbox, outbox, settings, listener=reporter)
        reporter.ready("watching")
        reporter.say(f"Watching {inbox}; answers go to {outbox}.")
        if once:
            left = watcher.run_out(stop)
            if left:
                reporter.say(f"Left in the inbox: {counted(left, 'file')}.")
            if left or reporter.counts["rejected"]:
                sys.exit(1)
        else:
            watcher.run(stop)
