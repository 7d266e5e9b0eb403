"""Other makers' classifiers: the tables of `python -m studies.foreign`, `python -m studies.foreign.packaged` and docs/foreign.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from freezenet.train.metrics.figure import Figure
from studies.tables import markdown
from studies.tables.pages import Page, each_result


def foreign_table(result: dict[str, Any]) -> str:
    """Return the result of `python -m studies.foreign` as a Markdown table."""
    rows = [
        [
            f"`{name}`",
            f"{one['bytes'] / 1e6:.2f}",
            str(Figure(**one["accuracy"])),
            str(Figure(**one["macro_f1"])),
            # With what the verdict leaves possible: a bootstrap of unchanged answers is a point.
            f"{Figure(**one['verdict']['endpoints'][0]['difference']):+.3f}" if "verdict" in one else "",
            one["verdict"]["verdict"] if "verdict" in one else "",
        ]
        for name, one in result["variants"].items()
    ]
    columns = ("file", "MB", "accuracy", "macro-F1", f"macro-F1 against `{result['reference']}`", "verdict")
    return "\n".join([*markdown.table(columns, rows), ""])


def _section(result: dict[str, Any]) -> str:
    same = result["against_keras"]
    return (
        f"{result['images']} test images of radiography4, none of which took part in the training of either; `int8.tflite` and `float32.tflite` are "
        f"freezenet's; the others are a frozen MobileNetV2 with a new head, trained with plain Keras on the same {result['training_images']} images and "
        f"written by TensorFlow's converter, seed {result['seed']}; {markdown.machine(result)}, "
        f"{markdown.packages(result, 'tensorflow', 'ai-edge-litert')}:\n\n{foreign_table(result)}\n"
        f"The float file answers {same['same_class']} of {same['images']} images as Keras itself does with images that Keras loads, and scores lie within "
        f"{same['largest_difference']:.4f}. These are images of the collection that both were trained on; nothing here says how either does elsewhere.\n"
    )


def packaged_section(result: dict[str, Any]) -> str:
    """Return the result of `python -m studies.foreign.packaged` in Markdown."""
    first, peer, whole = result["readings"][0], result["mediapipe"], result["pictures"]
    rows = [
        [
            f"freezenet, `--preprocess {one['preprocess']}`" if one["preprocess"] else "freezenet, its metadata alone",
            f"{one['right']} of {one['pictures']}",
            str(Figure(**one["accuracy"])),
            *(_agreed(one["against_mediapipe"][given]) for given in ("file", "pixels")),
        ]
        for one in result["readings"]
    ]
    rows.append([f"MediaPipe Tasks {peer['version']}", f"{peer['right']} of {first['pictures']}", "", "", ""])
    sources = " and ".join(
        f"{round(one['accuracy']['value'] * one['pictures'])} of {one['pictures']} ({name})"
        for name, one in first["by_source"].items()
    )
    wrong = "; ".join(f"{one['class']} is called {one['called']}" for one in first["wrong"])
    columns = (
        "read by",
        "right",
        "top-1 accuracy",
        f"same class as MediaPipe, of {whole}",
        "the same from freezenet's pixels",
    )
    return (
        f"`{result['model']}`, {result['bytes'] / 1e6:.2f} MB, whose metadata freezenet reads as {result['reading']}; {markdown.machine(result)}, "
        f"{markdown.packages(result, 'ai-edge-litert')}:\n\n"
        + "\n".join(markdown.table(columns, rows))
        + f"\n\nBy metadata alone, right are {sources}{f'. Wrong: {wrong}' if wrong else ''}.\n"
    )


def _agreed(one: dict[str, Any]) -> str:
    largest, median = one["largest_difference"], one["median_difference"]
    return (
        f"{one['same_class']}, {f'scores within {largest:.4f}, median {median:.4f}' if largest else 'the same scores'}"
    )


def _part(results: Path) -> str:
    return "\n".join([each_result(results, "foreign", _section), each_result(results, "packaged", packaged_section)])


PAGE = Page("docs/foreign.md", "foreign_page", _part)

if __name__ == "__main__":
    PAGE.command()()
