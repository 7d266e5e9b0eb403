"""MediaPipe Tasks ImageClassifier: what Android, iOS and desktop apps load a classifier with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studies.clients.answers import ask
from studies.clients.question import Question
from studies.tools import virtual_environment

#: From 1.0 on the package sends usage metrics out, which a tool for X-rays must not do.
VERSION = "0.10.31"


def answers(questions: Sequence[Question], tools: Path) -> dict[str, Any]:
    """Return variant -> answer; MissingToolError where MediaPipe cannot be installed or started."""
    return ask([str(mediapipe_python(tools))], "mediapipe_scores", questions)


def mediapipe_python(tools: Path) -> Path:
    """Return the Python of the environment with MediaPipe in the folder of the clients, made where it is missing; MissingToolError where it cannot be."""
    return virtual_environment(tools / f"mediapipe-{VERSION}", [f"mediapipe=={VERSION}"], newest_python=(3, 13))
