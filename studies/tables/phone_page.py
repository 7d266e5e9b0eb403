"""What is answered of photographed films: the table of `python -m studies.phone.film` and of docs/phone.md."""

from __future__ import annotations

from typing import Any

from freezenet.train.metrics.figure import Figure
from studies.tables import markdown
from studies.tables.pages import Page, each_result

_KINDS = ("same", "another", "uncertain", "not a chest X-ray")


def film_table(result: dict[str, Any]) -> str:
    """Return the result of `studies.phone.film.measure` as a Markdown table; a column of what was not measured is left out."""
    columns = {"photograph": list(result["frames"])}
    for kind, title in zip(_KINDS, ("same answer", "another", "uncertain", "refused"), strict=True):
        columns[title] = [_count(result, name, kind) for name in result["frames"]]
    for kind, title in (
        ("refused", "refused of what is refused as a scan"),
        ("other", "refused, uncertain and named a class of what is no chest X-ray"),
    ):
        columns[title] = [_refused(one.get(kind, {}), whole=kind == "other") for one in result["frames"].values()]
    shown = {title: cells for title, cells in columns.items() if set(cells) != {"–"}}
    return "\n".join([*markdown.table(tuple(shown), list(map(list, zip(*shown.values(), strict=True)))), ""])


def _count(result: dict[str, Any], name: str, kind: str) -> str:
    """Return how many photographs of X-rays whose scan is answered got this answer, with the share where the result has it."""
    count = str(result["frames"][name]["answered"].get(kind, 0))
    figure = result.get("shares", {}).get(name, {}).get(kind)
    return f"{count}: {Figure(**figure).times(100):.1f %}" if figure else count


def _refused(counts: dict[str, int], *, whole: bool) -> str:
    if not counts:
        return "–"
    refused, uncertain, every = counts.get("not a chest X-ray", 0), counts.get("uncertain", 0), sum(counts.values())
    return f"{refused}, {uncertain}, {every - refused - uncertain} of {every}" if whole else f"{refused} of {every}"


def _section(result: dict[str, Any]) -> str:
    counts = next(iter(result["frames"].values()))
    count = sum(counts["answered"].values())
    of = f" ({result['source']})" if result.get("source") else ""
    table = (
        f"{count} photographs of X-rays whose scan is answered{of}, half of them with a white and half with a black surround; in brackets 95 % intervals, "
        f"drawn by X-ray:\n\n{film_table(result)}"
    )
    corners = result.get("corners")
    if corners is None:  # of a result that looked for no film
        return table
    xrays = sum(sum(counts[kind].values()) for kind in ("answered", "uncertain", "refused"))
    white, black = corners["white"], corners["black"]
    return (
        f"{table}\nIn {xrays - corners['missed']} of {xrays} photographs of X-rays a film was found; its worst corner lies off by {white[0]:g} pixels in "
        f"the median ({white[2]:g} in nine of ten) where the surround is white, {black[0]:g} ({black[2]:g}) where it is black.\n"
    )


PAGE = Page("docs/phone.md", "phone_page", lambda results: each_result(results, "film", _section))

if __name__ == "__main__":
    PAGE.command()()
