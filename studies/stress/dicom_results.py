"""Results for images with odd tags and names of every character set, as independent readers see them.

    python -m studies.stress.dicom_results MODEL [--json] [--out results]

Each image is answered by the model and becomes a Structured Report, a Secondary Capture and a Parametric Map. `dciodvfy` (dicom3tools)
must find no error in any of them, and DCMTK's `dsrdump` and `dcmdump` must show what was expected; where the image's UIDs allow no result, one
sentence must name the tag.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import cv2
import numpy as np
import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.system.chatter import without_pydicom_warnings
from studies.command import StudyCommand, hand_over, model_argument, result_options
from studies.stress.dicom_corpus import CASES, CHARSETS, Case, image
from studies.tools import MissingToolError

#: Validator and readers; the full paths of DCMTK's, because pynetdicom brings programs of the same names.
TOOLS = {"dciodvfy": "/usr/bin/dciodvfy", "dsrdump": "/usr/bin/dsrdump", "dcmdump": "/usr/bin/dcmdump"}


@dataclass(frozen=True)
class Finding:
    """What is wrong with a case."""

    case: str
    what: str


def findings(case: Case, number: int, classifier: Any, folder: Path) -> list[Finding]:
    """Return what is wrong with the results of one case; they are written to `folder`."""
    from freezenet.edge_runtime.classifier import answer_line
    from freezenet.edge_runtime.dicom_node.results import parametric_map, secondary_capture, structured_report, to_bytes
    from freezenet.edge_runtime.dicom_node.results.inherited import remarks

    content = image(case, number)
    prediction = classifier.predict(content)
    more = {"input_sha256": "0" * 64, "time": "2026-11-29T12:00:00+00:00"}
    answer = {**answer_line(f"{number}.dcm", prediction, classifier), **more}
    with without_pydicom_warnings():
        source = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
    try:
        told = str(remarks(content))
        results = {
            "report": structured_report(source, answer),
            "capture": secondary_capture(source, answer, _picture(content)),
            "map": parametric_map(source, answer, np.eye(7, dtype=np.float32), (120, 100)),
        }
    except DataError as error:
        right = case.refused is not None and f"{Tag(tag_for_keyword(case.refused) or 0)}" in str(error)
        return [] if right else [Finding(case.name, f"refused: {error}")]
    if case.refused:
        return [Finding(case.name, "not refused")]
    found = [f"a remark holds the value of {tag}" for tag, value in case.tags.items() if _told(value, told)]
    for kind, result in results.items():
        path = folder / f"{kind}.dcm"
        path.write_bytes(to_bytes(result))
        if to_bytes(result) != path.read_bytes():
            found.append(f"{kind}: written twice, it differs")
        found += [f"{kind}: {line}" for line in _run("dciodvfy", path).splitlines() if line.startswith("Error")]
        for keyword, expected in case.shown.items():
            shown = dumped(path, keyword)
            if shown != expected:
                found.append(f"{kind}: {keyword} is {shown!r}, not {expected!r}")
    head = next(
        (line for line in _run("dsrdump", folder / "report.dcm").splitlines() if line.startswith("Patient ")), ""
    )
    if case.shown.get("PatientName", "") not in head:
        found.append(f"dsrdump shows {head!r}")
    return [Finding(case.name, one) for one in found]


def run(classifier: Any, cases: tuple[Case, ...] = CASES) -> dict[str, Any]:
    """Return what became of all cases (JSON types)."""
    for path in TOOLS.values():
        if not Path(path).is_file():
            raise MissingToolError(f"{path} is required. Got: none; run: apt install dicom3tools dcmtk.")
    with TemporaryDirectory() as folder:
        found = [one for number, case in enumerate(cases) for one in findings(case, number, classifier, Path(folder))]
    return {
        "model": classifier.path.name,
        "cases": len(cases),
        "names_in_character_sets": sum(case in CHARSETS for case in cases),
        "declared_character_sets": len({case.tags.get("SpecificCharacterSet") for case in cases} - {None}),
        "refused_as_expected": sum(case.refused is not None for case in cases) - _refusals(found),
        "wrong": len({one.case for one in found}),
        "findings": [f"{one.case}: {one.what}" for one in found],
    }


def dumped(path: Path, keyword: str) -> str | None:
    """Return a value as DCMTK reads it, from the first line that holds it; "" for an empty one."""
    for line in _run("dcmdump", "+P", keyword, path).splitlines():
        value = re.match(r"\([0-9a-f,]+\) \w\w (?:\[(.*)\]|\(no value available\)) +#", line)
        if value:
            return value[1] or ""
    return None


def _told(value: bytes | None, told: str) -> bool:
    """Whether a value of some length stands in what was told; short codes are words of any sentence."""
    text = (value or b"").decode("latin_1").strip()
    return len(text) > 3 and text in told


def _refusals(found: list[Finding]) -> int:
    return sum("refused" in one.what for one in found)


def _run(tool: str, *arguments: object) -> str:
    done = subprocess.run([TOOLS[tool], *map(str, arguments)], capture_output=True, timeout=60, check=False)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def _picture(content: bytes) -> np.ndarray:
    with without_pydicom_warnings():
        return cv2.cvtColor(pydicom.dcmread(io.BytesIO(content)).pixel_array, cv2.COLOR_GRAY2BGR)


@click.command(cls=StudyCommand)
@model_argument
@result_options
def main(model: Path, as_json: bool, out: Path | None) -> None:
    """Make results for odd images. Exit code 1 where a reader finds an error or shows something else."""
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.edge_runtime.system.environment import environment

    result = run(Classifier(model, trust_tags=False))
    text = "\n".join(f"{key}\t{value}" for key, value in result.items() if key != "findings")
    text = "\n".join([text, *result["findings"]])
    hand_over({**result, "environment": environment()}, f"dicom-results-{model.stem}", text, as_json, out)
    if result["wrong"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
