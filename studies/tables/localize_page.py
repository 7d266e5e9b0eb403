"""The tables of docs/localize.md about a refitted last layer, from results/refit-*.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from freezenet.edge_runtime.names import counted
from freezenet.train.files import read_json
from freezenet.train.metrics.figure import Figure
from studies.tables import markdown
from studies.tables.pages import Page

#: Way of `studies.refit.ways` -> its name here.
_WAYS = {
    "before": "as it came",
    "thresholds": "old layer, new thresholds",
    "refit": "new layer, new thresholds",
}
_COMPARED = {
    "thresholds against before": "new thresholds against the file as it came",
    "refit against thresholds": "new layer against the old one",
}
_SHARES = {"answered": "answered", "wrong": "wrong, of what is answered", "right": "class that is named right"}


def sections(results: Sequence[dict[str, Any]]) -> str:
    """Return results of `python -m studies.refit`, of one place, as Markdown; that with a learning curve tells of sizes and of home."""
    if not results:
        return ""
    first = next((one for one in results if one["curve"]), results[0])
    ordered = [first, *(one for one in results if one is not first)]
    lines = [*_elsewhere(ordered), "", *(_agreement(one) for one in ordered)]
    lines += ["", *_curve(first)] if first["curve"] else []
    return "\n".join([*lines, "", *_home(first), ""])


def _elsewhere(results: Sequence[dict[str, Any]]) -> list[str]:
    one = results[0]
    counts = " and ".join(
        f"{count} {label} of {counted(one['patients'][label], 'patient')}" for label, count in one["classes"].items()
    )
    rows = [
        [_file(found), name, *(str(Figure(**found["ways"][way][key])) for key in _SHARES)]
        for found in results
        for way, name in _WAYS.items()
    ]
    differences = [
        [_file(found), name, *(f"{Figure(**found['differences'][pair][key]):+.3f}" for key in _SHARES)]
        for found in results
        for pair, name in _COMPARED.items()
    ]
    return [
        f"`python -m studies.refit MODEL OTHER --home RUN --out results`, asked for `{one['targets'][0]}`: files of a network of "
        f"{len(one['home']['classes'])} classes, and {counted(one['images'], 'X-ray')} of other collections ({counts}), each judged by what other patients chose; "
        f"{markdown.packages(one, 'ai-edge-litert')}.",
        "",
        *markdown.table(["file", "", *_SHARES.values()], rows),
        "",
        *markdown.table(["file", "difference", *_SHARES.values()], differences),
    ]


def _file(result: dict[str, Any]) -> str:
    floats = result["float_operators"]
    return f"`{result['model']}`" + (f", {counted(floats, 'operator')} in float" if floats else "")


def _agreement(result: dict[str, Any]) -> str:
    one, decisions = result["acceptance"], result["acceptance"]["decisions"]
    return (
        f"{_file(result)} against its new layer in float: {one['changed']} of {counted(one['images'], 'image')} get another class, {decisions['same']:.1%} keep their "
        f'answer or "uncertain", and no score is more than {one["largest_difference"]:.3f} away.'
    )


def _curve(result: dict[str, Any]) -> list[str]:
    rows = result["curve"]
    draws = len(rows[0]["rest"])
    rest = f"{min(rows[0]['rest'])} to {max(rows[0]['rest'])}"
    before = _range([one["before"] for one in rows[0]["right"]])
    ways = ("thresholds", "refit")
    gains = [[one["refit"] - one["thresholds"] for one in row["right"]] for row in rows]
    lines = [
        f"**How many labels are enough?** In {counted(draws, 'draw')} of patients, so many of each class chose thresholds and fitted a layer of `{result['model']}`, and the network "
        f"as it would be written was judged on {rest} X-rays of others, in each draw the same at all sizes: mean (least to most). As it came, it names the right class in {before}.",
        "",
        *markdown.table(
            ["patients of each class", *(f"class right: {_WAYS[way]}" for way in ways), "class right: difference"],
            [
                [
                    str(row["patients"]),
                    *(_range([one[way] for one in row["right"]]) for way in ways),
                    _range(gain, "+.3f"),
                ]
                for row, gain in zip(rows, gains, strict=True)
            ],
        ),
        "",
        *markdown.table(
            [
                "patients of each class",
                *(f"{_SHARES[key]}: {_WAYS[way]}" for way in ways for key in ("answered", "wrong")),
            ],
            [
                [
                    str(row["patients"]),
                    *(_range([one[way] for one in row[key]]) for way in ways for key in ("answered", "wrong")),
                ]
                for row in rows
            ],
        ),
    ]
    lost = [f"{sum(row['file_refused'])} at {row['patients']}" for row in rows if any(row["file_refused"])]
    return (
        [*lines, "", f"Files that lost too much and would not have been written: {', '.join(lost)}."] if lost else lines
    )


def _range(values: Sequence[float | None], form: str = ".3f") -> str:
    """Return the mean of those that there are, how far they reach, and in how many draws there is none because the target is refused."""
    there = [one for one in values if one is not None]
    refused = f"refused in {len(values) - len(there)} of {len(values)}" if len(there) < len(values) else ""
    shown = f"{sum(there) / len(there):{form}} ({min(there):{form}} to {max(there):{form}})" if there else ""
    return "; ".join(one for one in (shown, refused) if one)


def _home(result: dict[str, Any]) -> list[str]:
    home, ways = result["home"], result["home"]["ways"]
    labels = ways["before"]["recall"]
    rows = [
        [f"{label} ({home['classes'][label]})", *(str(Figure(**ways[way]["recall"][label])) for way in _WAYS)]
        for label in labels
    ]
    rows += [[_SHARES[key], *(str(Figure(**ways[way][key])) for way in _WAYS)] for key in ("answered", "wrong")]
    return [
        f"**At home**: recall of each class, sure or not, on the {counted(home['images'], 'test image')} of the place where `{result['model']}` was trained.",
        "",
        *markdown.table(["", *_WAYS.values()], rows),
    ]


PAGE = Page(
    "docs/localize.md",
    "localize_page",
    lambda results: sections([read_json(path) for path in sorted(results.glob("refit-*.json"))]),
)

if __name__ == "__main__":
    PAGE.command()()
