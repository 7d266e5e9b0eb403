"""Another maker's classifier beside ours: the table of `python -m studies.foreign` and of docs/foreign.md."""

from __future__ import annotations

from typing import Any

from freezenet.train.metrics.figure import Figure
from studies.tables import markdown
from studies.tables.pages import Page, each_result


def foreign_table(result: dict[str, Any]) -> str:
    """Return the result of `studies.foreign.study` as a Markdown table."""
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


PAGE = Page("docs/foreign.md", "foreign_page", lambda results: each_result(results, "foreign", _section))

if __name__ == "__main__":
    PAGE.command()()
