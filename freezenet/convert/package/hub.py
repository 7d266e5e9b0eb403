"""A folder for the Hugging Face hub, made from a MODELS folder.

README.md                 the model card: front matter with the measured figures, then what a person must know
labels.txt                one class a line, in the order of the scores
preprocess.json           the preprocessing as data
<variant>/model.tflite    the same bytes as in MODELS; <variant>/model-app.tflite where MODELS holds an app profile
<variant>/card.json       the card inside the model file

Nothing is sent anywhere; `hf upload` does that. The front matter is written by `huggingface_hub`, which needs no network.
Specification: https://github.com/huggingface/hub-docs/blob/main/modelcard.md.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freezenet.convert.folder import ModelsFolder
from freezenet.edge_runtime.card import CARD_FILE, ModelCard
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import MissingExtraError, ModelError, install_hint
from freezenet.edge_runtime.integrity.hashes import check_listed, sha256_file
from freezenet.edge_runtime.integrity.inspection import label_rules, rule_text
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.train.files import MARK, prepare_output, write_json
from freezenet.train.metrics.figure import Figure
from freezenet.train.task import MultiLabel

README = "README.md"
#: Model that the examples of the card name, where it is there.
SHOWN = "int8"
#: Stands for the data set where nobody gave its name.
UNNAMED = "unnamed data set"


def export_hub(
    models: Path, out: Path, license: str = "other", dataset: str | None = None, overwrite: bool = False
) -> list[str]:
    """Write the folder `out` from the MODELS folder `models` and return the names of its files, with slashes.

    license: identifier of the hub for the weights; "other" refers to the training images' licences.
    dataset: name of the data set in the card; default: none, because the name of a file or folder is not for the world.
    Raises ModelError where `models` is none, DataError where `out` holds something, RefusedError where a model was changed. A
    killed export leaves no `out` that holds a part of it.
    """
    conversion = ModelsFolder(models).conversion()
    if not conversion.get("variants"):
        raise ModelError(f"A MODELS folder with at least one variant is required. Got: {models}, without any.")
    dataset = dataset or UNNAMED
    variants = [_variant(models, name, one) for name, one in conversion["variants"].items()]
    readme = _readme(variants, dataset, license)
    # Only now, so that a MODELS folder that cannot be exported costs no earlier export.
    out = Path(os.path.abspath(out))
    prepare_output(out, README, overwrite)
    partial = out.with_name(f".{out.name}.partial")
    prepare_output(partial, README, overwrite=True)  # what a killed export left
    try:
        _fill(partial, variants, readme)
        shutil.rmtree(out)
        os.replace(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file() and path.name != MARK)


def _variant(models: Path, name: str, converted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the folder and the card say about one variant; a changed file is refused."""
    sources = {f"{name}/model.tflite": converted["file"]}
    app = converted["profiles"].get("app")
    if app and app["file"] != converted["file"]:
        sources[f"{name}/model-app.tflite"] = app["file"]
    main, *apps = [_described(target, models / source) for target, source in sources.items()]
    return {**main, "name": name, "apps": apps}


def _described(target: str, source: Path) -> dict[str, Any]:
    check_listed(source)
    card = ModelCard.read(source)
    figures = card.content["accuracy"]
    return {
        "file": target,
        "source": source,
        "bytes": source.stat().st_size,
        "sha256": sha256_file(source),
        "card": card,
        "input": f"{card.content['input']['dtype']}, {card.content['input']['meaning']}",
        "ood_gate": "gate" in card.content,
        "accuracy": figures["accuracy"],
        "macro_f1": figures["macro_f1"],
        "per_class": figures["per_class"],
    }


def _fill(folder: Path, variants: list[dict[str, Any]], readme: str) -> None:
    card: ModelCard = variants[0]["card"]
    for one in variants:
        (folder / one["name"]).mkdir()
        for file in (one, *one["apps"]):
            shutil.copyfile(file["source"], folder / file["file"])
        (folder / one["name"] / CARD_FILE).write_bytes(ModelFile.read(one["source"]).associated(CARD_FILE))
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in card.labels), encoding="utf-8")
    write_json(folder / "preprocess.json", card.content["preprocess"])
    (folder / README).write_text(readme, encoding="utf-8")


def _readme(variants: list[dict[str, Any]], dataset: str, license: str) -> str:
    """Return the model card: front matter and Markdown."""
    try:
        from huggingface_hub import EvalResult, ModelCardData
        from jinja2 import Environment, PackageLoader
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"The package {error.name} is required for the hub. Got: it is not installed; {install_hint('hub')}."
        ) from None
    shown = next((one for one in variants if one["name"] == SHOWN), variants[0])
    content, rule = shown["card"].content, DecisionRule.from_card(shown["card"])
    task = {
        "task_type": "image-classification",
        "dataset_name": dataset,
        "dataset_type": re.sub(r"[^a-z0-9]+", "-", Path(dataset).stem.lower()).strip("-") or "data",
        "dataset_split": content["accuracy"]["side"],
    }
    results = [
        EvalResult(**task, metric_type=kind, metric_name=f"{title} ({one['name']})", metric_value=one[key]["value"])
        for one in variants
        for kind, title, key in (("accuracy", "Accuracy", "accuracy"), ("f1", "Macro-F1", "macro_f1"))
    ]
    data = ModelCardData(
        license=license,
        license_name="licences-of-the-training-images" if license == "other" else None,
        library_name="litert",
        pipeline_tag="image-classification",
        tags=[
            "tflite",
            "litert",
            *([] if shown["card"].adopted else ["mobilenet-v2"]),
            "chest-x-ray",
            "medical-imaging",
            "on-device",
            "freezenet",
        ],
        metrics=["accuracy", "f1"],
        model_name=content["name"],
        eval_results=results,
    )
    environment = Environment(
        loader=PackageLoader("freezenet.convert.package"), trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters["figure"] = lambda one: str(Figure(**one))
    environment.filters["cell"] = lambda text: text.replace("|", "\\|")
    body = environment.get_template("hub.md").render(
        name=content["name"],
        notice=content["notice"],
        audit=content.get("audit"),
        labels=content["labels"],
        multi_label=content.get("task") == MultiLabel.name,
        variants=variants,
        shown=shown,
        dataset=dataset,
        test=content["accuracy"],
        adopted=shown["card"].adopted,
        rule=rule_text(rule),
        label_rules=label_rules(rule),
        trained_on=content["trained_on"],
        calibration_images=max(one["card"].content["calibration"]["images"] for one in variants),
        preprocess=content["preprocess"],
    )
    return f"---\n{data.to_yaml().strip()}\n---\n\n{body}"
