"""What the audit finds and predicts: the tables of docs/audit.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from freezenet.train.audit.views import TITLES
from freezenet.train.metrics.figure import Figure
from studies.tables import markdown
from studies.tables.pages import Page, each_result

#: Way to predict -> its heading.
_WAYS = {
    "audit": "the audit",
    "inside": "as inside",
    "pest": "PEst",
    "middle": "PEst, middle black",
    "left_out": "mean of the others",
    "atc": "ATC",
    "doc": "DoC",
}

#: What is true of the prediction for radiography4 and of no other data.
_TWICE = (
    "What the audit knows of gaps beforehand was measured on six sources, and kermany, nih and nih_nlp of radiography4 are three of them. The audit of "
    "radiography4 adds their gaps as if they were new: its prediction counts them twice, and its range is narrower than it should be."
)


def data_section(result: dict[str, Any]) -> str:
    """Return the result of `studies.audit_data.measure` as Markdown."""
    rows = []
    for name, title in TITLES.items():
        if one := result["views"].get(name):
            remains = _remains(one["remaining"]) if one["remaining"] else "-"
            right = f"{Figure(**one['accuracy']).times(100):.0f %}"
            rows.append([title, right, remains if name != "whole" else ""])
    per_thousand = 1000 / result["images"]
    return "\n".join(
        [
            f"`python -m studies.audit_data {result['data']} --weights {result['weights']} --out results`: {result['images']} images of "
            f"{result['patients']} patients; the most frequent class alone gives {100 * result['majority']:.0f} %. It took {result['cpu_seconds']:.0f} s of "
            f"the processor, {per_thousand * result['cpu_seconds']:.0f} s for 1,000 images ({result['seconds']:.0f} s by the clock, beside other work).",
            "",
            *markdown.table(["view", "right", "remains of the score above chance"], rows),
            "",
            f"> {result['headline']}",
            "",
            *(f"- {sentence}" for sentence in result["verdict"]),
            "",
            "In detail:",
            "",
            *(f"- {sentence}" for sentence in result["details"]),
            "",
        ]
    )


def _remains(share: dict[str, float]) -> str:
    """Return a share of the score above chance, e.g. "12 % [3, 20]": one below chance has lost all of it, and more than all is chance."""
    return f"{Figure(*(min(100.0, max(0.0, 100 * share[key])) for key in ('value', 'low', 'high'))):.0f %}"


def outside_section(result: dict[str, Any]) -> str:
    """Return the result of `studies.audit_outside.measure` as Markdown."""
    rows = [_row(source, one) for source, one in result["sources"].items()]
    if one := result["together"]:
        rows.append(_row(" and ".join(one["sources"]), one))
    count, other = len(result["sources"]), f" --outside {result['outside']}" if result["outside"] else ""
    network = " --network transfer.csv" if result["with_network"] else ""
    close = [f"{_WAYS[way]} {result['close'][way]}" for way in _WAYS]
    errors = [f"{_WAYS[way]} {100 * error:.0f}" for way in _WAYS if (error := result["mean_error"][way]) is not None]
    lines = [
        f"`python -m studies.audit_outside {result['data']}{other}{network} --weights {result['weights']} --out results`:",
        "",
        *markdown.table(["source", "images", "network", "probe", *_WAYS.values()], rows),
        "",
        f"Within 5 points of the probe, of {count} sources: {', '.join(close)}. Mean error in points: {', '.join(errors)}. The audit's 95 % range "
        f"holds at {result['covered']} of {count} sources{_together(result)}; its 80 % range, `likely` in `audit.json`, at {result['likely']}.",
    ]
    if result["with_network"]:
        both = [one for one in result["sources"].values() if one["network"] is not None]
        apart = sum(abs(one["right"] - one["network"]) for one in both) / len(both)
        lines.append(
            f"Probe and network, neither of which has seen the source, lie {100 * apart:.0f} points apart in the mean, within 5 points at "
            f"{result['close_network']} of {result['with_network']} sources."
        )
    return "\n".join([*lines, ""])


def _row(source: str, one: dict[str, Any]) -> list[str]:
    network = one.get("network")
    ways = ["-" if one[way] is None else f"{one[way]:.2f}" for way in list(_WAYS)[1:]]
    classes = " and ".join(one["shares"])
    measured = ["-" if network is None else f"{network:.2f}", f"{one['right']:.2f}"]
    audit = Figure(*(one["audit"][key] for key in ("value", "low", "high")))
    return [
        f"{source}, {classes}",
        str(one["images"]),
        *measured,
        f"{audit:.2f}",
        *ways,
    ]


def _together(result: dict[str, Any]) -> str:
    one = result["together"]
    if not one:
        return ""
    holds = one["audit"]["low"] <= one["right"] <= one["audit"]["high"]
    return f" and {'also' if holds else 'not'} for {' and '.join(one['sources'])} together"


def phantoms_section(result: dict[str, Any]) -> str:
    """Return the result of `studies.audit.measure` as Markdown."""
    sets = result["sets"]
    return (
        f"`python -m studies.audit --sets {sets} --out results`: a planted letter was found in {result['planted_found']} of {sets} data sets of "
        f"phantoms, and one was said to be in {result['clean_flagged']} of {sets} without.\n"
    )


def _part(results: Path) -> str:
    return "\n".join(
        [
            "### Real X-rays\n",
            f"{_TWICE}\n",
            each_result(results, "audit-data", data_section, backwards=True),
            "### The prediction, source by source\n",
            each_result(results, "audit-outside", outside_section),
            "### Planted letters\n",
            each_result(results, "audit-phantoms", phantoms_section),
        ]
    )


PAGE = Page("docs/audit.md", "audit_page", _part)

if __name__ == "__main__":
    PAGE.command()()
