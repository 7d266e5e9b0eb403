"""What a run of the fuzzer showed, for a terminal and for docs/robustness.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from freezenet.train.files import read_json
from studies.tables.pages import begin_mark, with_part

BEGIN = begin_mark("python -m studies.stress.fuzz --write-docs")


def table(result: dict[str, Any]) -> str:
    """Return the result of `studies.stress.fuzz.run.fuzz` as Markdown: counts by format, costs, findings."""
    lines = ["| format | answers | sentences | findings |", "|---|---|---|---|"]
    for kind, counts in result["formats"].items():
        lines.append(f"| {kind} | {counts['answers']} | {counts['sentences']} | {counts['findings']} |")
    slowest, largest = result["slowest"], result["largest"]
    lines += [
        "",
        f"{result['inputs']} inputs of seed {result['seed']} from {result['corpus']} whole files; {len(result['sentences'])} different "
        f"sentences; slowest {slowest['seconds']:.2f} s ({slowest['name']}); most memory {largest['peak_bytes'] / 2**20:.0f} MiB "
        f"({largest['name']}).",
    ]
    for one in result["findings"]:
        inputs = ", ".join(str(found["number"]) for found in one["inputs"])
        lines.append(f"- {one['count']} x {' '.join(one['first'].split())} (inputs {inputs})")
    return "\n".join([*lines, ""])


def page_with_tables(page: str, results: Path) -> str:
    """Return docs/robustness.md with the part between the two marks made anew from the files in `results`."""
    tables = "\n".join(_section(read_json(path)) for path in sorted(results.glob("fuzz-*.json")))
    return with_part(page, BEGIN, f"{tables}\n")


def _section(result: dict[str, Any]) -> str:
    environment = result["environment"]
    named = ", ".join(
        f"{name} {environment['packages'][name]}"
        for name in ("opencv-python-headless", "ai-edge-litert")
        if name in environment["packages"]
    )
    return f"{environment['cpu']}; {named}:\n\n{table(result)}"
