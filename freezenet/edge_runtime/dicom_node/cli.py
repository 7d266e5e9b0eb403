"""The verb of the hospital network's node: dicom-node."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import click

from freezenet.edge_runtime.options import Loader, classifier_options, json_option, names_option

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
    help="DIR/received holds what is not answered yet, DIR/answers the answers, DIR/sending the results that wait for an archive.",
)
@click.option(
    "--send-to",
    "addresses",
    multiple=True,
    metavar="TITLE@HOST:PORT",
    help="Send results to this archive; can be repeated. Results wait until it takes them; one that it refuses for good is named in DIR/answers/rejected.",
)
@click.option(
    "--result",
    "kinds",
    type=click.Choice(["report", "capture", "map"]),
    multiple=True,
    help="Structured Report, Secondary Capture with the class activation map, Parametric Map of it; can be repeated.  "
    "[default: report, and capture where the model allows it]",
)
@click.option(
    "--caller",
    "callers",
    multiple=True,
    metavar="TITLE",
    help="AE title that may connect; can be repeated; default: any.",
)
@names_option
@json_option
@classifier_options
def dicom_node(
    model: str,
    title: str,
    port: int,
    host: str,
    out: Path,
    addresses: tuple[str, ...],
    kinds: tuple[str, ...],
    callers: tuple[str, ...],
    names: bool,
    as_json: bool,
    load: Loader,
) -> None:
    """Receive chest X-rays (CR, DX) by DICOM and return the model's answers.

    Answers C-ECHO and C-STORE. Each image received is answered exactly once, across restarts and kills: as
    DIR/answers/<UID>-<digits>.dcm.json, and as a DICOM Structured Report and Secondary Capture in the image's study. The digits
    are of the image's SHA-256: two images under one UID are two.
    """
    from freezenet.edge_runtime.dicom_node.archive import Archive
    from freezenet.edge_runtime.dicom_node.delivery import KINDS, Delivery
    from freezenet.edge_runtime.dicom_node.outgoing import Outgoing
    from freezenet.edge_runtime.dicom_node.receiver import Receiver
    from freezenet.edge_runtime.dicom_node.results import OF_OVERLAY
    from freezenet.edge_runtime.dicom_node.results.inherited import remarks
    from freezenet.edge_runtime.dicom_node.sender import Sender
    from freezenet.edge_runtime.watch.service import Reporter, told_to_stop
    from freezenet.edge_runtime.watch.settings import WatchSettings
    from freezenet.edge_runtime.watch.watcher import Watcher

    classifier = load(model)
    kinds = kinds or (KINDS if classifier.has_cam else KINDS[:1])
    received, answers = out / "received", out / "answers"
    receiver = Receiver(title, received, host=host, port=port, callers=callers)
    archives = [Archive.from_text(address, title) for address in dict.fromkeys(addresses)]
    outgoing = Outgoing(out, archives)
    reporter = Reporter(as_json, names)
    delivery = Delivery(outgoing, kinds, reporter.say)
    senders = [Sender(archive, outgoing, reporter.say) for archive in archives]
    # A caller that breaks the protocol ends its connection's thread, and that alone.
    threading.excepthook = _Broken(reporter.say)
    # Its messages name patients and files.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    # What is received gets its name when it is whole.
    settings = WatchSettings(settle=0, interval=_INTERVAL, overlay=not OF_OVERLAY.isdisjoint(kinds), names=names)
    with told_to_stop() as stop:
        received.mkdir(parents=True, exist_ok=True)
        watcher = Watcher(
            classifier,
            received,
            answers,
            settings,
            deliver=delivery,
            listener=reporter,
            service=f"dicom-node {title}",
            about=remarks,
        )
        # First, so that nothing is received into a folder of another node.
        watcher.claim()
        outgoing.load()
        listening = receiver.start()
        for sender in senders:
            sender.start()
        try:
            where = ", ".join(map(str, archives)) or "the folder alone"
            reporter.say(f"{title} listens on {host}:{listening}; results go to {where}.")
            if not archives and len(outgoing):
                reporter.say(f"The results of {len(outgoing)} answers wait for an archive, which --send-to can name.")
            reporter.ready(f"{title} listens")
            watcher.run(stop)
        finally:
            receiver.stop()
            for sender in senders:
                sender.stop()


class _Broken:
    """Says that a connection was broken off, once a minute at most."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say, self._until = say, 0.0

    def __call__(self, failed: threading.ExceptHookArgs) -> None:
        if time.monotonic() >= self._until:
            self._until = time.monotonic() + 60
            self._say(f"A connection was broken off: {failed.exc_type.__name__}.")
