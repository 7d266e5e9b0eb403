"""What int8 costs on all images, and our latency beside that of others: parts of docs/results.md."""

from __future__ import annotations

from typing import Any

from freezenet.train.metrics.figure import Figure
from studies.tables import markdown


def out_of_fold(result: dict[str, Any]) -> str:
    """Return the result of `studies.out_of_fold` as Markdown."""
    verdict, against = (result["variants"]["int8"][key] for key in ("verdict", "against_float32"))
    rows = []
    for one in verdict["endpoints"]:
        rows.append(
            [
                one["name"],
                f"{Figure(**one['difference']).times(100):+.1f}",
                f"{-100 * one['margin']:g}",
                f"{one['p_not_worse']:.3f}",
            ]
        )
    figures = [
        [name, *(str(Figure(**one[key])) for key in ("accuracy", "macro_f1"))]
        for name, one in result["variants"].items()
    ]
    differ = "No answer differs."
    if against["flipped"]:
        differ = (
            f"{against['flipped']} answers differ: {against['only_reference_right']} that float32 alone has right, "
            f"{against['only_this_right']} that int8 alone has."
        )
    return "\n".join(
        [
            f"## Is int8 worse than float32? All images of {result['data']}",
            "",
            f"Each of the {verdict['images']} images is answered by a network of {result['arm']} that saw neither it nor another image of its patient "
            f"({result['folds']} folds; `freezenet crossval {result['data']} --folds {result['folds']} --variants float32,int8 --out DIR`, then "
            f"`python -m studies.out_of_fold DIR --out results`), on {markdown.machine(result)}. {differ}",
            "",
            f"**{verdict['sentence']}**",
            "",
            *markdown.table(["file", "accuracy", "macro-F1"], figures),
            "",
            *markdown.table(
                ["int8 less float32", "points [95 % interval]", "margin", "p that the loss is the margin or more"], rows
            ),
            "",
        ]
    )


def litert_benchmark(result: dict[str, Any]) -> str:
    """Return the result of `studies.litert` as Markdown."""
    rows = [
        [
            one["model"],
            f"{one['ours']['median_ms']:.2f}",
            f"{one['litert_benchmark']['median_ms']:.2f}",
            f"{one['p50_ratio']:.3f}",
            f"{min(one['p50_ratios']):.2f} to {max(one['p50_ratios']):.2f}",
            f"{one['quiet_turns']} of {one['turns']}",
            f"{one['p5_ratio']:.3f}",
        ]
        for one in result["rows"]
    ]
    notes = any(one["notes"] for one in result["rows"])
    return "\n".join(
        [
            "## `freezenet benchmark` beside `litert-benchmark`",
            "",
            f"Median milliseconds of {result['runs']} inferences, one thread, {markdown.machine(result)}, measured in turns, each in a fresh process "
            f"(`python -m studies.litert MODELS/int8.tflite MODELS/float32.tflite --out results`){'; the machine was not idle' if notes else ''}. "
            "The ratio is the median of the turns' own, of those in which the machine was quiet: for both the median is at most 1.25 times p5. "
            "Where none was, all count.",
            "",
            *markdown.table(
                [
                    "file",
                    "p50 of freezenet",
                    "p50 of litert-benchmark",
                    "ratio",
                    "ratios of the turns",
                    "quiet turns",
                    "ratio of p5, all turns",
                ],
                rows,
            ),
            "",
        ]
    )


def scaling(result: dict[str, Any]) -> str:
    """Return the result of `studies.scaling` as Markdown."""
    rows = [
        [str(row["size"]), f"{row['width']:g}", str(row["threads"]), f"{row['ms']:.2f}", f"{row['bytes'] / 1e6:.1f}"]
        for row in result["inference"]
    ]
    by = {(row["size"], row["width"], row["threads"]): row["ms"] for row in result["inference"]}
    sizes, widths = (sorted({row[key] for row in result["inference"]}) for key in ("size", "width"))
    whole = by[224, 1.0, 1]
    verdict = result["verdict"]
    figures = ", ".join(
        f"{row['seconds']:.1f} s and {row['megabytes']:.0f} MB for {row['images']:,} images"
        for row in result["figures"][-2:]
    )
    return "\n".join(
        [
            "## How cost grows",
            "",
            f"MobileNetV2 of random weights, float32, {markdown.machine(result)}, the fastest of many inferences in turns{'; the machine was not idle' if result['notes'] else ''} "
            f"(`python -m studies.scaling --picture docs/scaling.png --out results`). From {sizes[0]} to {sizes[-1]} pixels, {(sizes[-1] / sizes[0]) ** 2:.0f} times "
            f"as many, an inference takes {by[sizes[-1], 1.0, 1] / by[sizes[0], 1.0, 1]:.0f} times as long; from width {widths[0]:g} to {widths[-1]:g} "
            f"{by[224, widths[-1], 1] / by[224, widths[0], 1]:.1f} times; with two threads {by[224, 1.0, 2] / whole:.2f} times. A verdict with 10,000 draws takes "
            f"{verdict[0]['seconds']:.2f} s of one core for {verdict[0]['images']:,} images and {verdict[-1]['seconds']:.2f} s for {verdict[-1]['images']:,}. All figures of a model with their intervals (`freezenet evaluate`) take {figures}.",
            "",
            "![An inference against input size, width and threads; a verdict and all figures against images](scaling.png)",
            "",
            *markdown.table(["pixels", "width", "threads", "ms", "MB"], rows),
            "",
        ]
    )
