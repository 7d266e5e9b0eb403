"""The README's measured table, written from the files in results/.

    python -m studies.tables.results_page

A test compares the README with what this would write.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from freezenet.train.files import read_json
from studies.peers.table import table as edge_table
from studies.results import mean_and_spread
from studies.tables.pages import begin_mark, rewrite_page, with_part

BEGIN = begin_mark("python -m studies.tables.results_page")


def readme_with_tables(readme: str, results: Path) -> str:
    """Return the README's text with the part between the two marks made anew from the files in `results`."""
    return with_part(readme, BEGIN, tables(results))


def tables(results: Path) -> str:
    """Return the tables in Markdown, each with the command that makes its file again."""
    parts = [
        # Backwards: the default recipe on four classes first.
        *(_recipes(read_json(path), _plain(results)) for path in sorted(results.glob("recipes-*.json"), reverse=True)),
        *(_latency(read_json(path)) for path in sorted(results.glob("latency-*.json"))),
        *(_training(read_json(path)) for path in sorted(results.glob("training-*.json"))),
        *(_crossval(read_json(path)) for path in sorted(results.glob("crossval-*.json"))),
        *(_gate(read_json(path)) for path in sorted(results.glob("gate-*.json"))),
        *(_predict(read_json(path)) for path in sorted(results.glob("predict-*.json"))),
        *(_edge(read_json(path)) for path in sorted(results.glob("edge-*.json"))),
        *(_soak(read_json(path)) for path in sorted(results.glob("soak-*.json"))),
        *(_watch_kills(read_json(path)) for path in sorted(results.glob("watch-kills-*.json"))),
        *(_fuzz(read_json(path)) for path in sorted(results.glob("fuzz-*.json"))),
    ]
    return "\n".join(parts)


def _plain(results: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return (data, recipe) -> what TensorFlow's converter makes of runs with the same seeds, from the study of techniques."""
    studies = [read_json(path) for path in sorted(results.glob("quantization-*.json"))]
    return {(one["data"], one["recipe"]): one["summary"]["tensorflow"] for one in studies}


def _recipes(result: dict[str, Any], plain: dict[tuple[str, str], dict[str, Any]]) -> str:
    seeds = ", ".join(map(str, result["seeds"]))
    images = result["rows"][0]["test_images"]
    lines = [
        f"**Test figures on `{result['data']}`**, mean ± standard deviation over the seeds {seeds} (about {images} held-out test "
        f"images each, whole patients; weights `{result['weights']}`, {_packages(result)}). One command makes them again: "
        f"`python -m studies.recipes {result['data']} --arms {','.join(result['summary'])} --weights {result['weights']} "
        f"--variants {','.join(result['variants'])} --work DIR --out results`.",
        "",
        "| recipe | file | accuracy | macro-F1 | less float32's of the same seed | answers changed from float32 | MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm, summary in result["summary"].items():
        for name in [
            key.removesuffix("_macro_f1") for key in summary if key.endswith("_macro_f1") and "validation" not in key
        ]:
            flipped = summary[f"{name}_flipped"]["mean"] / images
            paired = mean_and_spread(
                [row[f"{name}_macro_f1"] - row["float32_macro_f1"] for row in result["rows"] if row["arm"] == arm]
            )
            against = f"{paired['mean']:+.3f} ± {paired['sd']:.3f} | {flipped:.1%}" if name != "float32" else " | "
            lines.append(
                f"| {arm} | {name} | {_spread(summary[f'{name}_accuracy'])} | {_spread(summary[f'{name}_macro_f1'])} | "
                f"{against} | {summary[f'{name}_bytes']['mean'] / 1e6:.2f} |"
            )
    refused = [
        f"{row['arm']} seed {row['seed']}: {', '.join(row['refused'])}" for row in result["rows"] if row["refused"]
    ]
    if refused:
        lines += ["", f"The gate would keep back: {'; '.join(refused)}."]
    for arm in result["summary"]:
        if (result["data"], arm) in plain:
            figures = plain[result["data"], arm]
            lines += [
                "",
                f"Beside them, the plain int8 file of TensorFlow's converter for other runs of {arm} with these seeds: macro-F1 "
                f"{figures['macro_f1_difference']['mean']:+.3f} ± {figures['macro_f1_difference']['sd']:.3f} against float32, "
                f"{figures['changed']['mean']:.1%} of the answers changed ([docs/quantization.md](docs/quantization.md)).",
            ]
    return "\n".join([*lines, "", ""])


def _latency(results: list[dict[str, Any]]) -> str:
    first = results[0]
    lines = [
        f"**Latency** of one inference in milliseconds, {_machine(first)}, {first['runtime']}, {first['threads']} thread, "
        f"{first['runs']} runs (`freezenet benchmark models/*.tflite --json`):",
        "",
        "| file | load | first | p50 | p95 | p99 | peak memory MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results:
        figures = [one[key] for key in ("init_ms", "warmup_first_ms", "p50_ms", "p95_ms", "p99_ms")]
        shown = " | ".join(f"{figure:.2f}" for figure in figures)
        lines.append(f"| {one['model']} | {shown} | {one['peak_memory_bytes'] / 1e6:.0f} |")
    return "\n".join([*lines, "", ""])


def _training(result: dict[str, Any]) -> str:
    rates = result["images_per_second"]
    build = result["cache_build_seconds"]
    return (
        f"**Training** in images per second, {_machine(result)}, batch {result['batch_size']}, side by side "
        f"(`python -m studies.training_speed DATA --json`): as plain Keras networks full fine-tuning "
        f"{rates['full']:.0f}, half-frozen {rates['half']:.0f}; as freezenet trains from the cache {rates['cached']:.0f}; cached is "
        f"{result['ratio_cached_to_half']:.2f} times half-frozen and "
        f"{result['ratio_cached_to_full']:.2f} times full (medians of {len(result['rounds']['full'])} turns, the ratios those of each turn's own). "
        f"Building the cache of {result['images']} images once: {build['keras']} s with "
        f"Keras, {build['xnnpack']} s with XNNPACK.\n\n"
    )


def _crossval(result: dict[str, Any]) -> str:
    settings = "".join(f" --set {setting}" for setting in result["settings"])
    seconds = result["seconds"]
    return (
        f"**Cross-validation** on `{result['data']}`, {_machine(result)}, batch {result['batch_size']}: {result['folds']} folds of "
        f"{result['epochs']} epochs take {seconds['cached']:.0f} s with all figures of `freezenet crossval`, {seconds['plain']:.0f} s as plain "
        "half-frozen trainings from image files with `keras.utils.image_dataset_from_directory`, the folds in turns: "
        f"{result['ratio']:.2f} times as long (`python -m studies.crossval_speed {result['data']} --weights {result['weights']}{settings} "
        f"--epochs {result['epochs']} --json`).\n\n"
    )


def _gate(result: dict[str, Any]) -> str:
    seeds = ", ".join(map(str, result["seeds"]))
    lines = [
        f"**Chest gate** on `{result['data']}`, mean ± standard deviation over the seeds {seeds}: half of "
        f"{sum(result['negatives'].values())} images that are no chest X-rays teach the logistic gate, the other half and the "
        "held-out chest X-rays are shown; then each kind of them is left out of the teaching and all of it is shown "
        f"(`python -m studies.ood {result['data']} --not-cxr FOLDER --weights {result['weights']} --out results`; "
        "[docs/training.md](docs/training.md)):",
        "",
        "| shown | gate | AUROC | chest X-rays passed | negatives refused |",
        "|---|---|---|---|---|",
    ]
    for shown, summary in (("the other half", result["summary"]), *result["left_out"].items()):
        for name, one in summary.items():
            area = f"{one['auroc']['mean']:.4f} ± {one['auroc']['sd']:.4f}"
            shares = " | ".join(
                f"{one[key]['mean']:.1%} ± {one[key]['sd']:.1%}" for key in ("chest_passed", "negatives_refused")
            )
            lines.append(
                f"| {shown}{'' if shown == 'the other half' else ', never taught'} | {name} | {area} | {shares} |"
            )
    if "other_cxr" in result:
        shares = ", ".join(
            f"{name} {result['other_cxr'][name]['mean']:.1%} ± {result['other_cxr'][name]['sd']:.1%}"
            for name in result["summary"]
        )
        lines += [
            "",
            f"Of {result['other_cxr']['images']} chest X-rays of a kind that is not in the training (`--other-cxr FOLDER`) pass: "
            f"{shares}.",
        ]
    if "overhead" in result:
        timed = result["overhead"]
        lines += [
            "",
            f"With the gate ({timed['gate']}) `predict` on {timed['model']} is slower by {timed['ratio'] - 1:.1%} "
            f"(`--model {timed['model']}`, {_machine(result)}).",
        ]
    return "\n".join([*lines, "", ""])


def _predict(result: dict[str, Any]) -> str:
    steady, start = result["steady"], result["start"]
    return (
        f"**`freezenet predict`** on {result['model']}, {_machine(result)} (`python -m studies.predict MODEL IMAGE... --json`): steady "
        f"{steady['predict_ms']:.2f} ms an image, {steady['ratio']:.2f} times the same steps by hand; from the start of the process to "
        f"the first answer {start['first_answer_ms']:.0f} ms, {start['ratio']:.2f} times importing NumPy, OpenCV and the interpreter.\n\n"
    )


def _edge(result: dict[str, Any]) -> str:
    peers = ", ".join(f"{name} {version}" for name, version in result["peers"].items())
    return (
        f"**From a file to the answer**, {result['model']}, {_machine(result)}, {peers}; one thread, milliseconds p50 / p95, then the "
        f"time of freezenet divided by that of the row, median over {result['rounds']} turns (`python -m studies.peers MODEL --image "
        f"IMAGE --json`; [docs/speed.md](docs/speed.md) says what each row does):\n\n{edge_table(result)}\n"
    )


def _soak(result: dict[str, Any]) -> str:
    times, memory = result["milliseconds"], result["memory_mb"]
    return (
        f"**`freezenet serve`** on {result['model']}, {_machine(result)}: {result['requests']} requests over HTTP from "
        f"{result['clients']} clients, {sum(result['refused'].values())} of them bad (`python -m studies.stress.soak MODEL IMAGE...`): "
        f"{result['failures']} failures, {result['per_second']:.0f} requests a second, p50 {times['p50']:.0f}, p95 {times['p95']:.0f}, p99 "
        f"{times['p99']:.0f} ms; resident memory {memory['warm']:.0f} MB after the warm-up, {memory['end']:.0f} MB at the end "
        f"({result['memory_growth']:+.1%}).\n\n"
    )


def _watch_kills(result: dict[str, Any]) -> str:
    return (
        f"**`freezenet watch`** killed {result['kills']} times at random moments while {result['files']} files arrived "
        f"(`python -m studies.stress.watch_kills MODEL IMAGE...`): {result['answered']} answered, {result['rejected']} bad ones rejected, "
        f"{result['lost']} lost, {result['doubled']} answered twice, {result['half_written']} half-written, {result['different']} "
        "with another answer.\n\n"
    )


def _fuzz(result: dict[str, Any]) -> str:
    return (
        f"**Damaged files**: {result['inputs']} mutated JPEG, PNG, TIFF, BMP, WebP and DICOM files "
        f"(`python -m studies.stress.fuzz MODEL`; [docs/robustness.md](docs/robustness.md)): {len(result['findings'])} findings; each got an "
        f"answer or a sentence.\n\n"
    )


def _machine(result: dict[str, Any]) -> str:
    return f"{result['environment']['cpu']} with {result['environment']['cores']} cores"


def _packages(result: dict[str, Any]) -> str:
    packages = result["environment"]["packages"]
    return ", ".join(f"{name} {packages[name]}" for name in ("tensorflow", "ai-edge-litert"))


def _spread(figure: dict[str, float]) -> str:
    return f"{figure['mean']:.3f} ± {figure['sd']:.3f}"


@click.command()
def main() -> None:
    """Write the README's tables anew."""
    rewrite_page("README.md", readme_with_tables)


if __name__ == "__main__":
    main()
