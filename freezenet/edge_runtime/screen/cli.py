"""The verb `screen`."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

import click

from freezenet.edge_runtime.options import Loader, classifier_options, json_option, setting_option
from freezenet.edge_runtime.screen.settings import ScreenSettings

if TYPE_CHECKING:
    from freezenet.edge_runtime.screen.job import Engine

logger = logging.getLogger(__name__)


@click.command()
@click.argument("model", type=click.Path(), required=False)
@click.argument("images", metavar="[IN]", required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="OUT",
    help="Folder for the rows; with the same one the work goes on.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="This machine, or a Ray cluster.",
)
@click.option(
    "--address",
    default="local",
    show_default=True,
    metavar="ADDRESS",
    help="Of the Ray cluster, such as 10.0.0.1:6379; local starts one on this machine.",
)
@setting_option(ScreenSettings, "shard", type=click.IntRange(1, 1_000_000), metavar="N")
@setting_option(ScreenSettings, "workers", type=click.IntRange(1, 4096), metavar="N")
@setting_option(ScreenSettings, "column", metavar="NAME")
@setting_option(ScreenSettings, "cam", is_flag=True)
@setting_option(ScreenSettings, "only", metavar="LABEL")
@setting_option(ScreenSettings, "plain_uids", is_flag=True)
@click.option(
    "--summary",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="OUT",
    help="Summarize what was screened into OUT, into OUT/summary: figures, drift, worklist, one page.",
)
@click.option(
    "--retry",
    is_flag=True,
    help="Try again what could not be fetched or decoded, or killed the reader.",
)
@json_option
@classifier_options
def screen(
    model: str | None,
    images: str | None,
    out: Path | None,
    engine: str,
    address: str,
    summary: Path | None,
    retry: bool,
    as_json: bool,
    load: Loader,
    **given: Any,
) -> None:
    """Answer an archive of up to ten million images into Parquet files; the same command goes on where a kill stopped it.

    IN is a folder, a pattern with *, a list (.txt), a column of a table (.csv, .parquet), an archive (.tar, .zip), or a URL of one of
    these, such as s3://bucket/folder. Each input has one row; inputs of equal content are answered once.

    What cannot be fetched or decoded, or kills the reader, is tried once more at the end; if that fails, its row says so, and a later run with
    --retry tries it again.

    SIGTERM and Ctrl-C finish the shards that are under way, with --engine local for at most 20 seconds, and keep the answers of those that are
    not full by then; a second Ctrl-C ends at once. The same command goes on.
    """
    settings = ScreenSettings(**given)
    if summary is not None:
        if model is not None or out is not None:
            raise click.UsageError("--summary OUT stands alone, without MODEL, IN and --out.")
        from freezenet.edge_runtime.screen.summary.page import summarize

        written = summarize(summary, settings.only)
        click.echo(
            json.dumps(written) if as_json else "\n".join(f"{key:<10} {value}" for key, value in written.items())
        )
        return
    if model is None or images is None or out is None:
        raise click.UsageError("MODEL, IN and --out OUT are required, or --summary OUT.")
    if settings.only is not None and not settings.cam:
        raise click.UsageError("--only LABEL stands with --cam, or with --summary.")
    from freezenet.edge_runtime.screen.engines.answers import PASSING
    from freezenet.edge_runtime.screen.inputs.source import named_source
    from freezenet.edge_runtime.screen.job import Screening

    classifier = load(model)
    source = named_source(images, settings.column)
    screening = Screening(classifier, source, out, settings)
    try:
        with _Stop() as stop:
            made = _engine(engine, address, classifier, screening, settings)
            outcome = screening.run(made, stop.event, retry=retry)
    finally:
        screening.close()
    text = f"{outcome.inputs} rows: {', '.join(f'{number} {status}' for status, number in outcome.statuses.items()) or 'none'}; "
    click.echo(
        json.dumps({"out": str(out), **outcome.to_dict()}) if as_json else f"{text}{outcome.duplicates} duplicates"
    )
    passing = sum(outcome.statuses.get(one, 0) for one in PASSING)
    if outcome.finished and passing:
        logger.warning("Without an answer for a reason that may pass: %d; --retry tries these again.", passing)
    if not outcome.finished:
        logger.warning("Stopped before the end; the same command goes on.")
        sys.exit(128 + (stop.signal or signal.SIGTERM))


def _engine(name: str, address: str, classifier: Any, screening: Any, settings: ScreenSettings) -> Engine:
    from freezenet.edge_runtime.screen.engines.answers import Answering

    answering = Answering(classifier, settings.cam, settings.only, settings.plain_uids)
    if name == "local":
        from dataclasses import replace

        from freezenet.edge_runtime.screen.engines.local import LocalEngine

        return LocalEngine(replace(answering, contents=screening.folder.contents_index), settings.workers)
    from freezenet.edge_runtime.screen.engines.cluster import RayEngine

    return RayEngine(answering, address, settings.workers)


class _Stop:
    """Hears SIGTERM and Ctrl-C inside its block; the second Ctrl-C is Python's own."""

    def __init__(self) -> None:
        self.event, self.signal = threading.Event(), 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Stop:
        self._before = {one: signal.signal(one, self._heard) for one in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)

    def _heard(self, number: int, _frame: FrameType | None) -> None:
        self.event.set()
        self.signal = number
        signal.signal(signal.SIGINT, self._before[signal.SIGINT])
        logger.info(
            "Finishing the shards that are under way, with --engine local for at most 20 seconds; Ctrl-C ends at once."
        )
