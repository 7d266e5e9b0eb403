"""The table of docs/outside.md, from results/outside-*.json."""

from __future__ import annotations

from typing import Any

from freezenet.edge_runtime.names import counted
from freezenet.train.metrics.figure import Figure
from studies.tables import markdown
from studies.tables.pages import Page, each_result


def section(result: dict[str, Any]) -> str:
    """Return the result of `python -m studies.outside` as Markdown."""
    lines = [
        "`python -m studies.outside --crossval CROSSVAL --model NAME=int8.tflite --other OTHER --unknown DATA --out results`:",
        "",
    ]
    for one in result["crossvals"]:
        lines += [*_recipes(one), "", *_abstention(one), "", *_variants(one), *_transfer(one)]
    lines += _models(result) if result["models"] else []
    lines += _unknown(result["unknown"]) if "unknown" in result else []
    return "\n".join(lines).rstrip() + "\n"


def _recipes(found: dict[str, Any]) -> list[str]:
    rows = []
    for arm, one in found["recipes"].items():
        against = one.get("against_first")
        change = [_signed(against[key]) if against else "-" for key in ("accuracy", "macro_f1")]
        rows.append([arm, _plain(one["accuracy"]), _plain(one["macro_f1"]), *change])
    images = next(iter(found["recipes"].values()))["images"]
    title = f"**{found['data']}, out of fold** ({counted(images, 'image')}, {found['folds']} folds, {counted(len(found['seeds']), 'seed')}):"
    headings = ["recipe", "accuracy", "macro-F1", "accuracy against the first", "macro-F1 against the first"]
    return [title, "", *markdown.table(headings, rows)]


def _abstention(found: dict[str, Any]) -> list[str]:
    rows = [
        [arm, chosen, _plain(one["answered"]), _plain(one["wrong"])]
        for arm, figures in found["recipes"].items()
        for chosen, one in figures["abstention"].items()
    ]
    headings = ["recipe", "threshold chosen on", "answered", "wrong of what is answered"]
    named = {"own": "the training's validation images, as it stands in its card"}
    return [
        "Abstention for 2 % wrong answers, on the same images; no image is judged by a rule that it helped to choose:",
        "",
        *markdown.table(
            headings,
            [
                [
                    row[0],
                    named.get(
                        row[1],
                        f"{row[1].rpartition(', ')[0]}, upper bound with probability {row[1].rpartition(', ')[2]}",
                    ),
                    *row[2:],
                ]
                for row in rows
            ],
        ),
    ]


def _variants(found: dict[str, Any]) -> list[str]:
    lines = []
    for arm, variants in found["variants"].items():
        for name, one in variants.items():
            if against := one.get("against_float32"):
                lines.append(
                    f"{name} against float32, {arm}, {counted(one['images'], 'image')}: macro-F1 {_signed(against['macro_f1'])}, "
                    f"{against['flipped']} of {against['answers']} answers changed."
                )
    return [*lines, ""] if lines else []


def _transfer(found: dict[str, Any]) -> list[str]:
    if not found["transfer"]:
        return []
    lines = []
    for arm, one in found["transfer"]["recipes"].items():
        if not one["values"]:
            lines += [
                f"{arm}: no {found['transfer']['column']} can be left out and tested, because no class is in two of them.",
                "",
            ]
            continue
        rows = [
            [value, str(figures["images"]), *(_plain(figures[place]["accuracy"]) for place in ("inside", "outside"))]
            for value, figures in one["values"].items()
        ]
        headings = [
            f"{found['transfer']['column']} left out",
            "images",
            "right, where the training knew it",
            "right, where it did not",
        ]
        lines += [f"{arm}, transfer gap {_signed(one['gap'])}:", "", *markdown.table(headings, rows), ""]
        alone = [cell["class"] for cell in one["recall"] if cell["why_not"].startswith("cannot be tested")]
        if alone:
            lines += [f"Cannot be tested outside: {', '.join(dict.fromkeys(alone))}.", ""]
    return lines


def _models(result: dict[str, Any]) -> list[str]:
    rows = []
    for name, one in result["models"].items():
        everywhere = one["everywhere"]
        # A file that never abstains answers all.
        right = Figure(**(everywhere["accuracy_answered"] or everywhere["accuracy"]))
        recalls = "; ".join(f"{label} {_plain(found)}" for label, found in one["recall"].items())
        rows.append([name, recalls, _plain(everywhere["coverage"]), str(right.rest()), _plain(everywhere["refused"])])
    images = next(iter(result["models"].values()))["everywhere"]["images"]
    headings = ["training", "found", "answered", "wrong of what is answered", "refused by the OOD gate"]
    title = f"**{result['other']}**, {counted(images, 'image')} of sources outside the training, by the integer files:"
    return [title, "", *markdown.table(headings, rows), "", *_held_out(result["models"])]


def _held_out(models: dict[str, Any]) -> list[str]:
    rows = [
        [name, rule, str(one["chosen_on"]), f"{one['risk_bound']:.3f}", str(one["sureness"] or "not told")]
        + [_plain(one[place][key]) for place in ("inside", "outside") for key in ("answered", "wrong")]
        for name, found in models.items()
        for rule, one in found["held_out"].items()
    ]
    if not rows:
        return []
    headings = [
        "training",
        "rule",
        "chosen on",
        "bound of its risk",
        "how surely",
        "answered inside",
        "wrong of it",
        "answered outside",
        "wrong of it",
    ]
    return [
        "By the upper bound: the same files with a rule chosen on all images that were kept from the training, validation and test, or of a final training with the "
        "rule of its card, chosen on out-of-fold answers; inside, each image is judged by a rule that other patients chose:",
        "",
        *markdown.table(headings, rows),
        "",
    ]


def _unknown(found: dict[str, Any]) -> list[str]:
    parts = [
        f"{key}, {_plain(one['answered'])} of the images are answered ({', '.join(f'{label} {count}' for label, count in one['as'].items())})"
        for key, one in found.items()
        if isinstance(one, dict)
    ]
    return [
        f"**A class that the first model does not have** ({', '.join(found['classes'])}, {counted(found['images'], 'image')}): {'; '.join(parts)}. "
        "Such a class is not recognized: silence would be right."
    ]


def _plain(figure: dict[str, float] | None) -> str:
    """Return a figure with its interval, "-" of what a model cannot do."""
    return str(Figure(**figure)) if figure else "-"


def _signed(figure: dict[str, float]) -> str:
    return f"{Figure(**figure):+.3f}"


PAGE = Page("docs/outside.md", "outside_page", lambda results: each_result(results, "outside", section))

if __name__ == "__main__":
    PAGE.command()()
