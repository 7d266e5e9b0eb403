"""The frame of a client's program: one JSON line for each question, written at once, so that a crash loses one only."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def answer_all(prepare: Callable[[dict[str, Any]], Callable[[dict[str, Any]], dict[str, Any]]]) -> None:
    """Answer the questions of the request file that the command line names.

    prepare: imports the client and returns the function from a question to its answer. What cannot be imported is
    reported once; what a single question raises is the answer to it.
    """
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with open(request["out"], "a", encoding="utf-8") as out:

        def write(line: dict[str, Any]) -> None:
            out.write(json.dumps(line) + "\n")
            out.flush()

        try:
            answer = prepare(request)
        except (ImportError, OSError) as error:
            write({"missing": _sentence(error)})
            return
        for question in request["questions"]:
            try:
                found = answer(question)
            except Exception as error:  # whatever a client raises is what its user would read
                found = {"cannot": _sentence(error)}
            write({"variant": question["variant"], **found})


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())[:400].rstrip(". ")
    return text or type(error).__name__
