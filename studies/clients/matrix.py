"""Every client asked for every variant."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.names import chosen_names
from freezenet.edge_runtime.system.environment import environment
from studies.clients import aarch64, browser, mediapipe, runtimes, support
from studies.clients.cell import Cell
from studies.clients.question import Question, conversion, questions
from studies.tools import MissingToolError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Client:
    """A client and how it is asked.

    answers: (questions, tools folder) -> variant -> answer. app: whether it takes the files for apps.
    """

    name: str
    summary: str
    answers: Callable[[Sequence[Question], Path], dict[str, Any]]
    app: bool = False


CLIENTS = {
    client.name: client
    for client in (
        Client("mediapipe", f"MediaPipe Tasks ImageClassifier {mediapipe.VERSION}", mediapipe.answers, app=True),
        Client("litertjs", f"LiteRT.js {browser.VERSION} in Chromium", browser.answers),
        Client("tflite-support", f"tflite-support {support.VERSION}, metadata", support.answers, app=True),
        Client("ai-edge-litert", "ai-edge-litert", runtimes.ai_edge_litert),
        Client("tensorflow", "TensorFlow's interpreter", runtimes.tensorflow),
        Client("tflite-runtime", f"tflite-runtime {runtimes.TFLITE_RUNTIME}", runtimes.tflite_runtime),
        Client("aarch64", "ai-edge-litert for aarch64, emulated Cortex-A72", aarch64.answers),
    )
}


def measure(models: Path, names: Sequence[str], tools: Path) -> dict[str, Any]:
    """Ask the named clients for the golden vectors of every variant in MODELS and return all cells (JSON types).

    tools: folder where the clients are installed.
    """

    result: dict[str, Any] = {}
    for name in names:
        logger.info(f"asking {CLIENTS[name].summary}")
        started = time.perf_counter()
        cells = ask_client(CLIENTS[name], questions(models, CLIENTS[name].app), tools)
        result[name] = {
            "summary": CLIENTS[name].summary,
            "seconds": round(time.perf_counter() - started, 1),
            "cells": {variant: cell.to_dict() for variant, cell in cells.items()},
        }
    written = conversion(models)
    return {
        "recipe": written["recipe"],
        "data_sha256": written["data_sha256"],
        "variants": list(written["variants"]),
        "clients": result,
        "environment": environment(),
    }


def ask_client(client: Client, asked: Sequence[Question], tools: Path) -> dict[str, Cell]:
    """Return variant -> cell; where the client cannot be run, every cell says why."""
    try:
        answers = client.answers(asked, tools)
    except MissingToolError as error:
        return {question.variant: Cell(question.model.name, missing=str(error)) for question in asked}
    return {question.variant: Cell.judge(question, answers[question.variant]) for question in asked}


def known_clients(text: str) -> list[str]:
    """Read a comma-separated list of clients, or "all"."""
    return chosen_names(text, CLIENTS, "Clients")
