"""The verb of the hospital network's node: dicom-node."""

from __future__ import annotations

import threading
from pathlib import Path

import click

from freezenet.edge_runtime.options import ignore_tags_option, json_option, runtime_option, threads_option

#: Seconds between two looks at what was received.
_INTERVAL = 0.5


@click.command("dicom-node")
@click.argument("model", type=click.Path())
@click.option("--aet", "title", required=True, metavar="TITLE", help="This node's AE title, 1 to 16 characters.")
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="Port to listen on; DICOM's own is 11112.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is every one.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="dicom-node",
    show_default=True,
    metavar="DIR",
    help="DIR/received holds what is not answered yet, DIR/answers the answers.",
)
@click.option(
    "--send-to",
    "archive",
    metavar="TITLE@HOST:PORT",
    help="Send results to this archive; they wait and are sent again until it takes them.",
)
@click.option(
    "--result",
    "kinds",
    type=click.Choice(["report", "capture"]),
    multiple=True,
    help="Structured Report, Secondary Capture with the class activation map, or, repeated, both.  [default: what the model allows]",
)
@click.option("--caller", "callers", multiple=True, metavar="TITLE", help="Who may call, repeated; default: anybody.")
@click.option("--names", is_flag=True, help="Name files on stdout and stderr; their names are the images' UIDs.")
@ignore_tags_option
@json_option
@threads_option
@runtime_option
def dicom_node(
    model: str,
    title: str,
    port: int,
    host: str,
    out: Path,
    archive: str | None,
    kinds: tuple[str, ...],
    callers: tuple[str, ...],
    names: bool,
    ignore_tags: bool,
    as_json: bool,
    threads: int,
    runtime: str | None,
) -> None:
    """Receive chest X-rays (CR, DX) by DICOM and return what the model says of them.

    Answers C-ECHO and C-STORE. Each image received is answered exactly once, across restarts and kills: as
    DIR/answers/<UID>.dcm.json, and as a DICOM Structured Report and Secondary Capture in the image's study.
    """
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.edge_runtime.dicom_node.archive import Archive
    from freezenet.edge_runtime.dicom_node.delivery import KINDS, Delivery
    from freezenet.edge_runtime.dicom_node.receiver import Receiver
    from freezenet.edge_runtime.watch.service import Reporter, told_to_stop
    from freezenet.edge_runtime.watch.watcher import Spool

    classifier = Classifier(model, threads=threads, runtime=runtime, trust_tags=not ignore_tags)
    kinds = kinds or (KINDS if classifier.shows_evidence else KINDS[:1])
    receiver = Receiver(title, host, port, out / "received", callers)
    delivery = Delivery(out / "answers", kinds, Archive.from_text(archive, title) if archive else None)
    reporter = Reporter(as_json, names)
    # A caller that breaks the protocol ends its connection's thread, and that alone.
    threading.excepthook = lambda failed: reporter.say(f"A connection was broken off: {failed.exc_type.__name__}.")
    with told_to_stop() as stop:
        out.joinpath("received").mkdir(parents=True, exist_ok=True)
        spool = Spool(
            classifier,
            out / "received",
            out / "answers",
            overlay="capture" in kinds,
            # What is received gets its name when it is whole.
            settle=0,
            interval=_INTERVAL,
            deliver=delivery,
            on_done=reporter.done,
            say=reporter.say,
            alive=reporter.alive,
            names=names,
        )
        # First, so that nothing is received into a folder of another node.
        spool.claim()
        listening = receiver.start()
        try:
            reporter.say(f"{title} listens on {host}:{listening}; results go to {archive or 'the folder alone'}.")
            reporter.ready(f"{title} listens")
            spool.run(stop)
        finally:
            receiver.stop()
