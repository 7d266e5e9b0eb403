"""What each technique of quantization is worth: the table of `python -m studies.quantization` and of docs/quantization.md."""

from __future__ import annotations

from typing import Any

from studies.tables import markdown
from studies.tables.pages import Page, each_result


def quantization_table(result: dict[str, Any]) -> str:
    """Return the means over the runs as a table in Markdown, with the command above it."""
    images, seeds = result["images"], ", ".join(map(str, result["seeds"]))
    reference, *measured = result["summary"]
    size = result["summary"][reference]["logit_size"]["mean"]
    lines = [
        f"**`{result['data']}`**, recipe {result['recipe']}, weights `{result['weights']}`, mean ± standard deviation over the "
        f"seeds {seeds} ({images['validation']} validation and {images['test']} test images each; root mean square of the "
        f"float32 logits {size:.2f}; {result['writer']}): `{result['command']}`",
        "",
        *markdown.table(
            [
                "arm",
                "error of the logits (validation)",
                "answers changed (validation)",
                "answers changed (test)",
                "macro-F1 against float32 (test)",
                "mean change of a score (test)",
            ],
            [[name, *_figures(result["summary"][name], len(result["seeds"]) > 1)] for name in measured],
        ),
    ]
    return "\n".join([*lines, ""])


def _figures(one: dict[str, dict[str, float]], several: bool) -> list[str]:
    def shown(name: str, form: str) -> str:
        return markdown.spread(one[name], form) if several else f"{one[name]['mean']:{form}}"

    return [
        shown("logit_error", ".3f"),
        f"{one['validation_changed']['mean']:.1%}",
        f"{one['changed']['mean']:.1%}",
        shown("macro_f1_difference", "+.3f"),
        f"{one['score_difference']['mean']:.4f}",
    ]


#: Backwards: the default data come first.
PAGE = Page(
    "docs/quantization.md",
    "quantization_page",
    lambda results: each_result(results, "quantization", quantization_table, backwards=True),
)

if __name__ == "__main__":
    PAGE.command()()
