"""The test on external data that a folder holds: what `freezenet evaluate MODEL DATA --all --json` printed, into external-NAME.json."""

from __future__ import annotations

import logging
from typing import Any, TypedDict

from freezenet.benchmarks.checklist.evidence import Evidence, Fact
from freezenet.edge_runtime.card import TrainedOn, misfit
from freezenet.train.files import sha256_file
from freezenet.train.run_folder import RunFolder

logger = logging.getLogger(__name__)


class _Interval(TypedDict):
    value: float
    low: float
    high: float


class _TookPart(TypedDict):
    train: int
    validation: int


class _External(TypedDict):
    """What has to stand in it."""

    side: str
    images: int
    accuracy: _Interval
    macro_f1: _Interval
    took_part: _TookPart
    trained_on: TrainedOn


def external_facts(found: Evidence) -> list[Fact]:
    """Return the figures of each such file about the network of this folder, whose images had no part in the training; say of the others why not."""
    network = RunFolder(found.folder / found.run).model_file
    digest = sha256_file(network) if network.is_file() else ""
    told = []
    for path in sorted(found.folder.glob("external-*.json")):
        if reason := _not_counted(found.content(path.name), digest):
            logger.warning(f"{path.name} is not counted as a test on external data: {reason}")
        else:
            told += found.facts(path.name, images="images", accuracy="accuracy", macro_F1="macro_f1")
    return told


def _not_counted(one: Any, digest: str) -> str:
    """Return why a file does not count, "" where it does. digest: SHA-256 of the network of the folder, "" where it is not there."""
    # Without a RUN folder beside the model nobody knows which images took part, nor ever which fitted a last layer anew.
    if isinstance(one, dict) and one.get("took_part", 0) is None:
        return "whether its images took part in the training is not known"
    if wrong := misfit(one, _External, "the answer of freezenet evaluate --all --json"):
        return f"it holds {wrong}"
    if one["side"] != "all":
        return "its images are not those of other data; pass --all to freezenet evaluate"
    if one["trained_on"]["model_sha256"] != digest:
        return f"it is about another network than that of this folder: {one.get('model', 'unnamed')!s:.80}"
    if seen := one["took_part"]["train"] + one["took_part"]["validation"]:
        return f"{seen} of its images took part in the training"
    return str(one.get("refitted") or "")
