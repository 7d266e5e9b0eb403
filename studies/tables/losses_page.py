"""Losses and freezing compared: the tables and the picture of docs/losses.md."""

from __future__ import annotations

from typing import Any

import click

from freezenet.train.files import read_json
from freezenet.train.metrics.figure import Figure
from studies.command import StudyCommand
from studies.tables import markdown
from studies.tables.pages import ROOT, Page, each_result

PICTURE = "docs/losses.png"


def losses_section(result: dict[str, Any]) -> str:
    """Return the result of `studies.losses.study` as Markdown."""
    settings = "".join(f" --set {setting}" for setting in result["settings"])
    return "\n".join(
        [
            f"`python -m studies.losses {result['data']} --weights {result['weights']}{settings} --seeds "
            f"{len(result['losses']['seeds'])} --work DIR --out results`: {result['losses']['folds']} folds, whole patients, mean ± "
            f"standard deviation over all trainings of an arm. The smallest class is {result['losses']['smallest_class']}.",
            "",
            *_comparison(result["losses"], result["arms"]),
            *_comparison(result["freezing"], result["arms"]),
            *_calibration({**result["freezing"]["recipes"], **result["losses"]["recipes"]}),
            "",
        ]
    )


def _comparison(found: dict[str, Any], arms: dict[str, str]) -> list[str]:
    figures = list(found["comparisons"])
    headings = [figure.replace("macro_f1", "macro-F1") for figure in figures]
    rows = [
        [arm, arms[arm], str(one["trainings"]), *(markdown.spread(one[name]) for name in figures)]
        for arm, one in found["recipes"].items()
    ]
    against = [
        [arm, *(_against(found["comparisons"][figure], arm) for figure in figures)]
        for arm in found["recipes"]
        if arm != "cross-entropy"
    ]
    return [
        *markdown.table(["arm", "what", "trainings", *headings], rows),
        "",
        "Against plain cross-entropy: mean difference, 95 % interval, p, and p adjusted for all pairs (Nadeau-Bengio).",
        "",
        *markdown.table(["arm", *headings], against),
        "",
    ]


def _against(comparisons: list[dict[str, Any]], arm: str) -> str:
    one = next(one for one in comparisons if {one["recipe"], one["other"]} == {"cross-entropy", arm})
    sign = 1 if one["recipe"] == arm else -1
    value, low, high = (sign * one["difference"][key] for key in ("value", "low", "high"))
    return f"{Figure(value, *sorted((low, high))):+.3f}, p {one['p']:.3f}, {one['p_adjusted']:.2f}"


def _calibration(recipes: dict[str, dict[str, Any]]) -> list[str]:
    rows = []
    for arm, found in recipes.items():
        sure = found["confidence"]
        before, after, surest = (Figure(**sure[key]) for key in ("ece_before", "ece_after", "accuracy_at_90_coverage"))
        calibrated, accuracy = f"{sure['ece_if_calibrated']:.3f}", f"{found['accuracy']['mean']:.3f}"
        rows.append([arm, str(before), str(after), calibrated, accuracy, str(surest)])
    return [
        "Calibration error of all tested images together, each scaled with the temperature of its own fold, and what a calibrated "
        "model would show on as many images (slightly too low with several seeds, which test the same images). The last column is the "
        "accuracy that remains when the tenth of the images with the lowest confidence gets no answer.",
        "",
        *markdown.table(
            ["arm", "before scaling", "after", "if calibrated", "accuracy", "accuracy at 90 % coverage"],
            rows,
        ),
    ]


PAGE = Page("docs/losses.md", "losses_page", lambda results: each_result(results, "losses", losses_section))


@click.command(cls=StudyCommand)
def main() -> None:
    """Write the tables of docs/losses.md and its picture anew from results/."""
    from freezenet.train.crossval.table import write_picture

    PAGE.write()
    (path,) = (ROOT / "results").glob("losses-*.json")
    write_picture(read_json(path)["losses"], ROOT / PICTURE)


if __name__ == "__main__":
    main()
