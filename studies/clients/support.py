"""tflite-support: an independent reader of the standard metadata, by those who defined it."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studies.clients.answers import ask
from studies.clients.question import Question
from studies.tools import virtual_environment

VERSION = "0.4.4"

#: What its metadata part imports; the audio part that its own list asks for stays out.
_PACKAGES = (f"tflite-support=={VERSION}", "numpy<2", "absl-py", "flatbuffers", "protobuf<4", "pybind11")


def answers(questions: Sequence[Question], tools: Path) -> dict[str, Any]:
    """Return variant -> {"differs": what was read otherwise than the card says it} or {"cannot": reason}.

    Raises MissingToolError where the package cannot be installed or started.
    """
    python = virtual_environment(tools / f"tflite-support-{VERSION}", _PACKAGES, (3, 11), dependencies=False)
    read = ask([str(python)], "support_metadata", questions)
    return {
        question.variant: answer if "cannot" in answer else {"differs": differences(question, answer)}
        for question in questions
        for answer in [read[question.variant]]
    }


def differences(question: Question, answer: dict[str, Any]) -> list[str]:
    """Return which parts of the metadata are not what the card and the file itself say.

    answer: metadata: the JSON of MetadataDisplayer. files: name -> content in hexadecimal.
    """
    card, metadata = question.card, answer["metadata"]
    graph = metadata["subgraph_metadata"][0]
    image, scores = graph["input_tensor_metadata"][0], graph["output_tensor_metadata"][0]
    options = [one["options"] for one in image["process_units"] if one["options_type"] == "NormalizationOptions"]
    labels = [one["name"] for one in scores["associated_files"] if one["type"] == "TENSOR_AXIS_LABELS"]
    with zipfile.ZipFile(question.model) as archive:
        inside = {name: archive.read(name).hex() for name in archive.namelist()}
    names = bytes.fromhex(answer["files"].get(labels[0], "")).decode().splitlines() if len(labels) == 1 else []
    right = {
        "image properties": image["content"]["content_properties"] == {"color_space": "RGB"},
        "normalization": options == [{"mean": [card.preprocess.mean], "std": [card.preprocess.std]}],
        "labels": names == list(card.labels),
        "associated files": answer["files"] == inside,
    }
    return [part for part, equal in right.items() if not equal]
