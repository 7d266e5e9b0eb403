"""The report of a pipeline folder: one HTML file that needs nothing else, readable offline.

There are two: `report.html` for the house, and one to hand on, without pictures, names and paths.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from freezenet.benchmarks.figures import three_digits
from freezenet.benchmarks.quality.summary import named_figures
from freezenet.benchmarks.reporting.gallery import Gallery, png_source
from freezenet.benchmarks.reporting.groups import Groups
from freezenet.benchmarks.reporting.headline import headline, headline_variant
from freezenet.benchmarks.reporting.label_counts import LabelCounts
from freezenet.benchmarks.reporting.pictures import in_percent, pictures, plain
from freezenet.benchmarks.reporting.shares import hundredths, percent
from freezenet.benchmarks.reporting.subject import subject_sentence
from freezenet.benchmarks.reporting.training_facts import TrainingFacts
from freezenet.edge_runtime.names import listed
from freezenet.train.audit.picture import draw
from freezenet.train.audit.verdict import audit_sentence
from freezenet.train.files import read_json, write_atomically
from freezenet.train.metrics.figure import Figure
from freezenet.train.metrics.sources import source_table
from freezenet.train.run_folder import RunFolder

REPORT, SHARED_REPORT = "report.html", "report-share.html"
#: Images with a wrong answer, or a changed one, that are shown per variant; the rest is counted.
_SHOWN = 24
#: Shapes, because float32 and float16 often lie on one point.
_MARKERS = {"float32": "s", "float16": "P", "dynamic": "^", "int8": "o", "int8-qat": "D", "int16x8": "v", "mixed": "X"}
_COLORS = {
    "float32": "#4c72b0",
    "float16": "#55a868",
    "dynamic": "#c44e52",
    "int8": "#dd8452",
    "int8-qat": "#8172b3",
    "int16x8": "#64b5cd",
    "mixed": "#937860",
}
#: Confusion matrices in a row.
_COLUMNS = 4


def write_report(folder: Path, *, share: bool = False) -> Path:
    """Write `report.html` into a folder of `freezenet pipeline`, from what its stages left there.

    With `share` it is `report-share.html`: without images, names of files and sources, paths and the command.

    Args:
        folder: with `results.json`, `run/metrics.json` and `run/history.csv`; the images whose answer changed are read from where
            `results.json` says that DATA lies.
        share: write the report that may leave the house.

    Returns:
        The path of the report.
    """
    run = RunFolder(folder / "run")
    metrics = run.read_metrics()
    results, audit = read_json(folder / "results.json"), run.read_audit()
    comparison = results["comparison"]
    latency = {one["model"].removesuffix(".tflite"): one for one in results["latency"]}
    environment = Environment(
        loader=PackageLoader("freezenet.benchmarks"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sources = source_table(metrics["images_by_class_and_source"])
    # A source is a hospital or an X-ray machine: its number says as much about the figures.
    source_names = {
        name: f"source {number}" if share and name else name or "unknown"
        for number, name in enumerate(sources.names, 1)
    }
    shown = headline_variant(comparison)
    groups, training = Groups.of(comparison, shown, source_names), TrainingFacts.of(run, share=share)
    gallery, most = Gallery(Path(comparison["data_root"]), folder / "models"), 0 if share else _SHOWN
    environment.filters["named_figures"] = named_figures
    environment.filters["percent"], environment.filters["hundredths"] = percent, hundredths
    environment.filters["points"] = lambda one: f"{Figure(**one).times(100):+.1f}"
    environment.filters["digits"] = three_digits
    page = environment.get_template("report.html").render(
        results=results,
        metrics=metrics,
        comparison=comparison,
        latency=latency,
        share=share,
        audit=audit,
        audit_sentence=audit_sentence(audit),
        audit_picture=_picture(draw(audit)) if "views" in audit else "",
        sources=sources,
        source_names=source_names,
        training=training,
        curves=_picture(_curves(training.history)),
        matrices=_picture(_matrices(comparison)),
        tradeoff=_picture(_tradeoff(comparison, latency)),
        flipped={
            name: _flipped(comparison, name, gallery, most)
            for name in comparison["variants"]
            if name != comparison["reference"]
        },
        headline=headline(results, metrics, latency, sources, groups.rows, "" if groups.worst_class else groups.worst),
        subject=subject_sentence(shown, results, metrics, sources, [source_names[name] for name in sources.names]),
        groups=groups,
        counts={label: LabelCounts.of(comparison["variants"][shown], label) for label in metrics["labels"]},
        verdicts=_verdicts(comparison, shown),
        wrong=_wrong(comparison, shown, gallery, most),
        pictures={name: _picture(one) for name, one in pictures(comparison, shown).items()},
    )
    path = folder / (SHARED_REPORT if share else REPORT)
    write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    return path


def _curves(history: list[dict[str, Any]]) -> Drawing:
    figure = Drawing(figsize=(9, 3))
    axes = figure.subplots(1, 2)
    epochs = [row["epoch"] + 1 for row in history]
    for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
        axis.plot(epochs, [row[name] for row in history], marker=".", label="training")
        axis.plot(epochs, [row[f"val_{name}"] for row in history], marker=".", label="validation")
        axis.set_xlabel("epoch")
        axis.set_title(name)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    axes[0].legend()
    return figure


def _matrices(comparison: dict[str, Any]) -> Drawing:
    tables = {name: _tables(name, one) for name, one in comparison["variants"].items()}
    panels = [panel for one in tables.values() for panel in one]
    of_variant = max(len(one) for one in tables.values())
    columns = min(_COLUMNS, of_variant if of_variant > 1 else len(panels))
    rows = -(-len(panels) // columns)
    figure = Drawing(figsize=(3.4 * columns, 3.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for number, (axis, (title, names, matrix)) in enumerate(zip(axes.flat, panels, strict=False)):
        labels = [plain(name) for name in names]
        axis.imshow([[count / max(1, sum(row)) for count in row] for row in matrix], cmap="Blues", vmin=0, vmax=1)
        for i, row in enumerate(matrix):
            for j, count in enumerate(row):
                axis.text(
                    j,
                    i,
                    str(count),
                    ha="center",
                    va="center",
                    fontsize=9,
                    color="white" if count > sum(row) / 2 else "black",
                )
        axis.set_title(plain(title))
        axis.set_xticks(range(len(labels)), labels, rotation=40, ha="right", fontsize=8)
        axis.set_yticks(range(len(labels)), labels if number % columns == 0 else [""] * len(labels), fontsize=8)
        axis.set_xlabel("answer")
        if number % columns == 0:
            axis.set_ylabel("truth")
    return figure


def _tables(name: str, one: dict[str, Any]) -> list[tuple[str, list[str], list[list[int]]]]:
    """Return (title, names of rows and columns, counts) of a variant's confusion matrices: one, or one for each label."""
    if "confusion_matrix" in one:
        return [(name, one["labels"], one["confusion_matrix"])]
    return [(f"{name}: {label}", ["no", "yes"], matrix) for label, matrix in one["confusion_matrices"].items()]


def _tradeoff(comparison: dict[str, Any], latency: dict[str, Any]) -> Drawing:
    """Macro-F1 with its interval against latency; the area of a mark is the size of the file."""
    figure = Drawing(figsize=(7, 4))
    axis = figure.subplots()
    for name, one in comparison["variants"].items():
        x, f1 = latency[name]["median_ms"], one["macro_f1"]
        color = _COLORS.get(name)
        axis.errorbar(
            x, f1["value"], [[f1["value"] - f1["low"]], [f1["high"] - f1["value"]]], color=color, capsize=3, lw=1
        )
        axis.scatter(
            x,
            f1["value"],
            s=30 + 60 * one["bytes"] / 1e6,
            color=color,
            alpha=0.6,
            marker=_MARKERS.get(name, "o"),
            label=f"{name}, {one['bytes'] / 1e6:.2f} MB",
        )
    # Variants lie up to fifty times apart.
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.margins(x=0.15)
    axis.set_xlabel("median time for one image, ms")
    axis.set_ylabel("macro-F1 on the test images")
    axis.yaxis.set_major_formatter(in_percent())
    axis.grid(alpha=0.3)
    axis.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), markerscale=0.6, fontsize=9)
    return figure


def _picture(figure: Drawing) -> str:
    """Return a figure as the content of an <img src>."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, bbox_inches="tight")
    return png_source(content.getvalue())


def _flipped(comparison: dict[str, Any], name: str, gallery: Gallery, most: int) -> dict[str, Any]:
    one = comparison["variants"][name]
    return {"count": len(one["flipped"]), "shown": gallery.shown(one["flipped"][:most], one["file"])}


def _wrong(comparison: dict[str, Any], name: str, gallery: Gallery, most: int) -> dict[str, Any]:
    one = comparison["variants"][name]
    listed = one.get("wrong", ())
    return {
        "count": one.get("wrong_count", len(listed)),
        "listed": len(listed),
        "shown": gallery.shown(listed[:most], one["file"]),
    }


def _verdicts(comparison: dict[str, Any], shown: str) -> list[str]:
    """Return the verdicts about the variants that come after the first one, those in the same words and figures as one sentence."""
    alike: dict[str, list[str]] = {}
    for name, one in comparison["variants"].items():
        if name != shown and "verdict" in one:
            alike.setdefault(one["verdict"]["sentence"].replace(name, "\0", 1), []).append(name)
    return [
        sentence.replace("\0", first)
        + (f" The same, with the same figures, holds for {listed(others)}." if others else "")
        for sentence, (first, *others) in alike.items()
    ]
