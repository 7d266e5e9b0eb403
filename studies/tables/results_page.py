"""Everything that was measured, in one page: docs/results.md.

python -m studies.tables.results_page
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from freezenet.train.files import read_json
from studies.results import mean_and_spread
from studies.tables import markdown
from studies.tables.evidence_tables import litert_benchmark, out_of_fold, scaling
from studies.tables.pages import Page, each_result
from studies.tables.peers_table import peers_table

_PREDICT = """## `freezenet predict`

On {model}, {machine} (`python -m studies.predict MODEL IMAGE... --json`): {steady[predict_ms]:.2f} ms per image in steady state, \
{steady[ratio]:.2f} times as long as the same steps by hand; {start[first_answer_ms]:.0f} ms from the start of the process to the first \
answer, {start[ratio]:.2f} times as long as only importing NumPy, OpenCV and the interpreter.
"""
_WATCH_KILLS = """## `freezenet watch` and kills

Killed {kills} times at random moments while {files} files arrived (`python -m studies.stress.watch_kills MODEL IMAGE...`): {answered} \
answered, {rejected} bad ones rejected, {lost} lost, {doubled} answered twice, {half_written} half-written, {different} with a different answer.
"""
_DICOM_NODE = """## `freezenet dicom-node` between senders, archives and kills

{stores} C-STOREs of {uids} UIDs with different pixels from {senders} senders at once, {kills} SIGKILLs meanwhile; of three archives one was away for half \
of them, one takes captures only and one refuses a patient (`python -m studies.stress.dicom_node MODEL IMAGE...`): {acknowledged} acknowledged, {lost} of \
them lost or changed, {unanswered} unanswered, {answered_twice} answered twice; of {reports} reports and {captures} captures {undelivered} missing at an \
archive that takes them; {refused} refused for good, {unnamed} of them without the reason in `rejected/`. Among {siege[idle_sockets]} idle sockets, \
{siege[silent_associations]} silent associations and PDUs that declare {siege[declared_gb]} GB, {siege[good_acknowledged]} of {siege[good]} images of a good \
sender were acknowledged, the slowest after {siege[slowest_seconds]} s; the node's memory grew from {siege[memory_mb_before]} to {siege[memory_mb]} MB, its \
log by {siege[log_lines]} lines.
"""

_DICOM_RESULTS = """## DICOM results for odd images

{cases} images with odd tags, {names_in_character_sets} of them with names in {declared_character_sets} declarations of character sets, wrong and missing \
ones among them (`python -m studies.stress.dicom_results MODEL`): {refused_as_expected} name no study or instance and were refused by the tag's name; of the \
others every report, capture and map passed `dciodvfy` without an error, and DCMTK showed what was expected; {wrong} went wrong.
"""


def _filled(text: str) -> Callable[[dict[str, Any]], str]:
    """Return a section that is the text with a result's figures in it."""
    return lambda result: text.format(**result, machine=markdown.machine(result))


def results_part(results: Path) -> str:
    """Return the tables in Markdown, each with the command that makes its file again."""
    plain = {(one["data"], one["recipe"]): one["summary"]["tensorflow"] for one in map(read_json, sorted(results.glob("quantization-*.json")))}  # fmt: skip
    sections = (
        # Backwards: the default recipe on four classes comes first.
        each_result(results, "recipes", lambda result: _recipes(result, plain), backwards=True),
        each_result(results, "out-of-fold", out_of_fold),
        each_result(results, "latency", _latency),
        each_result(results, "litert-benchmark", litert_benchmark),
        each_result(results, "scaling", scaling),
        each_result(results, "training-speed", _training_speed),
        each_result(results, "crossval-speed", _crossval_speed),
        each_result(results, "ood", _ood),
        each_result(results, "altered", _altered),
        each_result(results, "predict", _filled(_PREDICT)),
        each_result(results, "peers", _peers),
        each_result(results, "soak", _soak),
        each_result(results, "siege", _siege),
        each_result(results, "watch-kills", _filled(_WATCH_KILLS)),
        each_result(results, "dicom-results", _filled(_DICOM_RESULTS)),
        each_result(results, "dicom-node", _filled(_DICOM_NODE)),
        each_result(results, "fuzz", _fuzz),
    )
    return "\n".join(section for section in sections if section)


def _recipes(result: dict[str, Any], plain: dict[tuple[str, str], dict[str, Any]]) -> str:
    seeds = ", ".join(map(str, result["seeds"]))
    images = result["rows"][0]["test_images"]
    rows = [row for arm, summary in result["summary"].items() for row in _variants(result, arm, summary, images)]
    lines = [
        f"## Accuracy: {', '.join(result['summary'])} on {result['data']}",
        "",
        f"Mean ± standard deviation over the seeds {seeds}: about {images} held-out test images each, whole patients; weights "
        f"`{result['weights']}`, {markdown.packages(result, 'tensorflow', 'ai-edge-litert')}. To make the figures again: "
        f"`python -m studies.recipes {result['data']} --arms {','.join(result['summary'])} --weights {result['weights']} "
        f"--variants {','.join(result['variants'])} --work DIR --out results`.",
        "",
        *markdown.table(
            [
                "recipe",
                "file",
                "accuracy",
                "macro-F1",
                "macro-F1 against float32, same seed",
                "answers changed from float32",
                "MB",
            ],
            rows,
        ),
    ]
    refused = [
        f"{row['arm']} seed {row['seed']}: {', '.join(row['refused'])}" for row in result["rows"] if row["refused"]
    ]
    if refused:
        lines += ["", f"When this was measured, the acceptance check would have refused {'; '.join(refused)}."]
    for arm in result["summary"]:
        if figures := plain.get((result["data"], arm)):
            lines += [
                "",
                f"For comparison, the plain int8 file of TensorFlow's converter, for other runs of {arm} with these seeds: macro-F1 "
                f"{markdown.spread(figures['macro_f1_difference'], '+.3f')} against float32, "
                f"{figures['changed']['mean']:.1%} of the answers changed ([quantization.md](quantization.md)).",
            ]
    return "\n".join([*lines, ""])


def _variants(result: dict[str, Any], arm: str, summary: dict[str, Any], images: int) -> list[list[str]]:
    names = [key.removesuffix("_macro_f1") for key in summary if key.endswith("_macro_f1") and "validation" not in key]
    rows = []
    for name in names:
        against = mean_and_spread(
            [row[f"{name}_macro_f1"] - row["float32_macro_f1"] for row in result["rows"] if row["arm"] == arm]
        )
        compared = [markdown.spread(against, "+.3f"), f"{summary[f'{name}_flipped']['mean'] / images:.1%}"]
        accuracy, macro_f1 = (markdown.spread(summary[f"{name}_{figure}"]) for figure in ("accuracy", "macro_f1"))
        size = f"{summary[f'{name}_bytes']['mean'] / 1e6:.2f}"
        rows.append([arm, name, accuracy, macro_f1, *(["", ""] if name == "float32" else compared), size])
    return rows


def _latency(results: Any) -> str:
    first = results[0]
    keys = ("init_ms", "warmup_first_ms", "p50_ms", "p95_ms", "p99_ms")
    rows = [
        [one["model"], *(f"{one[key]:.2f}" for key in keys), f"{one['peak_memory_bytes'] / 1e6:.0f}"] for one in results
    ]
    return "\n".join(
        [
            "## Latency of one inference",
            "",
            f"Milliseconds, {markdown.machine(first)}, {first['runtime']}, {first['threads']} thread, {first['runs']} runs: "
            "`freezenet benchmark models/*.tflite --json`.",
            "",
            *markdown.table(["file", "load", "first", "p50", "p95", "p99", "peak memory MB"], rows),
            "",
        ]
    )


def _training_speed(result: dict[str, Any]) -> str:
    rates, build = result["images_per_second"], result["cache_build_seconds"]
    return (
        f"## Speed of training\n\nImages per second, {markdown.machine(result)}, batch {result['batch_size']}, measured in turns "
        f"(`python -m studies.training_speed DATA --json`). As plain Keras networks: full fine-tuning {rates['full']:.0f}, half-frozen "
        f"{rates['half']:.0f}. As freezenet trains, from the cache: {rates['cached']:.0f}, which is "
        f"{result['ratio_cached_to_half']:.2f} times half-frozen and {result['ratio_cached_to_full']:.2f} times full fine-tuning (medians of "
        f"{len(result['rounds']['full'])} turns; each ratio is the median of the turns' own ratios). Building the cache of "
        f"{result['images']} images, which is done once, takes {build['keras']} s with Keras and {build['xnnpack']} s with XNNPACK.\n"
    )


def _crossval_speed(result: dict[str, Any]) -> str:
    settings = "".join(f" --set {setting}" for setting in result["settings"])
    seconds = result["seconds"]
    return (
        f"## Speed of cross-validation\n\nOn `{result['data']}`, {markdown.machine(result)}, batch {result['batch_size']}: "
        f"{result['folds']} folds of {result['epochs']} epochs take {seconds['cached']:.0f} s with `freezenet crossval`, all its figures "
        f"included, and {seconds['plain']:.0f} s as plain half-frozen trainings that read the image files with "
        f"`keras.utils.image_dataset_from_directory`; that is {result['ratio']:.2f} times as long. The folds took turns "
        f"(`python -m studies.crossval_speed {result['data']} --weights {result['weights']}{settings} --epochs {result['epochs']} --json`).\n"
    )


def _ood(result: dict[str, Any]) -> str:
    seeds = ", ".join(map(str, result["seeds"]))
    rows = []
    for shown, summary in (("the held-out half", result["summary"]), *result["left_out"].items()):
        kind = shown if shown == "the held-out half" else f"{shown}, never seen in training"
        for name, one in summary.items():
            shares = (markdown.spread(one[key], ".1%") for key in ("chest_passed", "negatives_refused"))
            rows.append([kind, name, markdown.spread(one["auroc"], ".4f"), *shares])
    lines = [
        f"## OOD gate: is this a chest X-ray? ({result['data']})",
        "",
        f"Mean ± standard deviation over the seeds {seeds}. Half of {sum(result['negatives'].values())} images that are no chest X-rays "
        "train the logistic gate; it is tested on the other half and on the held-out chest X-rays. Then each kind of image is left out of "
        "the training in turn and all of it is tested "
        f"(`python -m studies.ood {result['data']} --not-cxr FOLDER --weights {result['weights']} --out results`; "
        "[training.md](training.md#the-ood-gate)).",
        "",
        *markdown.table(["tested on", "gate", "AUROC", "chest X-rays passed", "other images refused"], rows),
    ]
    if "other_cxr" in result:
        other = result["other_cxr"]
        passed = ", ".join(f"{name} {markdown.spread(other[name], '.1%')}" for name in result["summary"])
        lines += [
            "",
            f"Of {other['images']} chest X-rays of a kind that the training does not have (`--other-cxr FOLDER`), these pass: {passed}.",
        ]
    if "overhead" in result:
        timed = result["overhead"]
        lines += [
            "",
            f"With the gate ({timed['gate']}), `predict` on {timed['model']} takes {timed['ratio'] - 1:.1%} longer "
            f"(`--model {timed['model']}`, {markdown.machine(result)}).",
        ]
    return "\n".join([*lines, ""])


def _altered(result: dict[str, Any]) -> str:
    passed = result["passed"]
    rows = [[name, f"{share:.1%}", f"{1 - passed['not_cxr'][name]:.1%}"] for name, share in passed["cxr"].items()]
    lines = [
        f"## OOD gate of {result['model']}: images that were changed",
        "",
        f"{result['images']['cxr']} chest X-rays of collections that took no part in the training, and {result['images']['not_cxr']} images that "
        f"are none; the model was trained without any such (`python -m studies.ood_altered {result['model']} --cxr FOLDER --not-cxr FOLDER`; "
        "[training.md](training.md#the-ood-gate)).",
        "",
        *markdown.table(["change", "chest X-rays passed", "other images refused"], rows),
    ]
    return "\n".join([*lines, ""])


def _peers(result: dict[str, Any]) -> str:
    peers = ", ".join(f"{name} {version}" for name, version in result["peers"].items())
    images = result.get("test_images")
    accuracy = (
        f"Macro-F1 is that of {images} test images, with its 95 % interval; other answers are those that differ from freezenet's float32 file. "
        if images
        else ""
    )
    return (
        f"## From a file to the answer, beside other runtimes\n\n{result['model']}, {markdown.machine(result)}, {peers}; one thread. {accuracy}"
        "Each cell holds milliseconds p50 / p95, then freezenet's time divided by the time of the row (below 1, freezenet is faster), the "
        f"median over {result['rounds']} turns (`python -m studies.peers MODEL {'--run RUN ' if images else ''}--image IMAGE --json`; "
        f"[speed.md](speed.md) says what each row does).\n\n{peers_table(result)}"
    )


def _soak(result: dict[str, Any]) -> str:
    times, memory = result["milliseconds"], result["memory_mb"]
    return (
        f"## `freezenet serve` under load\n\nOn {result['model']}, {markdown.machine(result)}: {result['requests']} requests over HTTP from "
        f"{result['clients']} clients, {sum(result['refused'].values())} of them bad (`python -m studies.stress.soak MODEL IMAGE...`). "
        f"{result['failures']} failures, {result['per_second']:.0f} requests per second, p50 {times['p50']:.0f} ms, p95 {times['p95']:.0f} ms, "
        f"p99 {times['p99']:.0f} ms; resident memory {memory['warm']:.0f} MB after the warm-up and {memory['end']:.0f} MB at the end "
        f"({result['memory_growth']:+.1%}).\n"
    )


def _siege(result: dict[str, Any]) -> str:
    files, sockets, memory = result["good_beside_files"], result["good_beside_sockets"], result["memory_mb"]
    return (
        f"## `freezenet serve` under attack\n\nOn {result['model']}, {markdown.machine(result)}, with {result['workers']} workers and "
        f"{result['clients']} good clients (`python -m studies.stress.siege MODEL IMAGE...`). Beside {result['attackers']} attackers who send "
        f"{result['files']} kinds of files that are slow or large to decode: {files['answers']} good answers, {files['failures']} failures, the slowest "
        f"after {files['seconds']['most']:.1f} s. Beside {result['sockets']} idle sockets and clients that do not read: {sockets['answers']} good answers, "
        f"{sockets['failures']} failures, the slowest after {sockets['seconds']['most']:.1f} s; {result['log_lines']} lines of log. Server and processes "
        f"together took {memory['peak']} MB at most; SIGTERM in the middle of an attack ended them after {result['end_seconds']:.0f} s.\n"
    )


def _fuzz(result: dict[str, Any]) -> str:
    return (
        f"## Damaged files\n\n{result['inputs']} damaged JPEG, PNG, TIFF, BMP, WebP, DICOM and model files "
        f"(`python -m studies.stress.fuzz MODEL`; [robustness.md](robustness.md)): {len(result['findings'])} findings; every file got an "
        "answer or a sentence.\n"
    )


PAGE = Page("docs/results.md", "results_page", results_part)

if __name__ == "__main__":
    PAGE.command()()
