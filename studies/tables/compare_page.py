"""Whether the verdict keeps what it promises: the table of docs/compare.md."""

from __future__ import annotations

from typing import Any

from studies.tables import markdown
from studies.tables.pages import Page, each_result
from studies.verdict import FEW, HEADINGS, table


def verdict_section(result: dict[str, Any]) -> str:
    """Return the result of `studies.verdict` as Markdown."""
    found, timed = result["summary"], result["speed"]
    enough, few = found["enough_changes"], found["few_changes"]
    return "\n".join(
        [
            f"`python -m studies.verdict --repeats {result['repeats']} --out results`: in each world {result['repeats']} comparisons of drawn answers "
            f"(a quarter of that for power), {result['draws']} bootstrap draws each. A world's true difference is known. Of {enough['intervals']} "
            f"kinds of interval with at least {FEW:g} patients that are expected to change, the truth lay in {enough['least_coverage']:.1%} to "
            f"{enough['most_coverage']:.1%}, {enough['mean_coverage']:.1%} on average; with fewer, in {few['least_coverage']:.1%} or more, because "
            f"counts are whole numbers. A loss of exactly the margin was called not worse in {found['false_not_worse']:.1%} of the comparisons at "
            f"most (allowed: 2.5 %), and worse in {found['false_worse']:.1%}. {timed['files']} files on {timed['images']:,} images with "
            f"{timed['draws']:,} draws take {timed['cpu_seconds']:.1f} s of one core ({markdown.machine(result)}).",
            "",
            *markdown.table(HEADINGS, table(result)),
            "",
        ]
    )


PAGE = Page("docs/compare.md", "compare_page", lambda results: each_result(results, "verdict", verdict_section))

if __name__ == "__main__":
    PAGE.command()()
