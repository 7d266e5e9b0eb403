"""A phone app's folder, made from one model file.

README.md                 five steps from this folder to an app
model.tflite, card.json   the bytes of the model, and the card inside it as a file of its own
golden/                   the golden pictures inside it: what "Check this phone" asks for
index.html, *.js, ...     the web app (freezenet/convert/app/web), completed by version.js

For Android the first three lie in app/src/main/assets/, in the sources of freezenet/convert/app/android. Who wants both gets web/ and android/.

Nothing is sent anywhere, and nothing of a training image is in it: golden pictures are drawn again here and compared, and a card that
lists files is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np

from freezenet.convert.app import ANDROID, WEB
from freezenet.convert.package.golden_pictures import golden_images
from freezenet.edge_runtime.card import CARD_FILE, ModelCard
from freezenet.edge_runtime.errors import ModelError, RefusedError
from freezenet.edge_runtime.integrity.hashes import check_listed
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.train.files import MARK, prepare_output

MODEL = "model.tflite"
README = "README.md"
#: Written last into the sources: what the service worker keeps on the device.
VERSION = "version.js"
#: Sources of the apps.
SOURCES = {"web": WEB, "android": ANDROID}
_ASSETS = "app/src/main/assets"
#: Largest mean difference, in gray levels, of a golden picture to the one that is drawn: another JPEG encoder rounds otherwise.
_SAME_PICTURE = 1.0


def export_app(
    model: Path,
    out: Path,
    *,
    web: bool = True,
    android: bool = False,
    without_ood_gate: bool = False,
    overwrite: bool = False,
) -> list[str]:
    """Write the folder `out` of an app with this model, and return the names of its files, with slashes.

    Args:
        model: A .tflite file of `freezenet convert` with the profile edge.
        out: A new or empty folder.
        web: Write the web app.
        android: Write the Android app.
        without_ood_gate: Also take a file that names a class for any picture.
        overwrite: Replace what an earlier export wrote.

    Raises:
        ModelError: `model` is none, or lacks a card, golden vectors or, unless told, an OOD gate.
        RefusedError: It was changed since its conversion, or holds a picture that freezenet has not drawn.
        SettingError: `out` holds something else.
    """
    file = ModelFile.read(model)
    check_listed(model, file.sha256)
    card = ModelCard.read(file)
    if "gate" not in card.content and not without_ood_gate:
        raise ModelError(
            f"A model with an OOD gate is required for a phone. Got: {model.name} without one, which names a class for any "
            "picture; take the file that `freezenet convert` names for a phone, or pass --without-ood-gate."
        )
    if "output" in card.content or card.content.get("input", {}).get("dtype") not in ("uint8", "float32"):
        raise ModelError(
            f"A model that takes uint8 pixels or float32 and gives float32 is required by the apps. Got: {model.name} with integer ends; "
            "convert it with --io pixels."
        )
    carried = {
        MODEL: file.content,
        CARD_FILE: file.associated(CARD_FILE),
        **{f"golden/{name}": content for name, content in _golden(file, card).items()},
    }
    apps = {"web": _web} if web else {}
    apps |= {"android": _android} if android else {}
    files: dict[str, bytes] = {}
    for name, make in apps.items():
        made = {**make(carried), README: _readme(card, SOURCES[name]).encode()}
        files |= made if len(apps) == 1 else {f"{name}/{path}": content for path, content in made.items()}
    if len(apps) != 1:
        files[README] = (
            b"# A phone app\n\nThe web app is in `web/`, the Android app in `android/`; the README.md there tells five steps.\n"
        )
    # Only now, so that a model that cannot be exported costs no earlier export.
    out = Path(os.path.abspath(out))
    prepare_output(out, README, overwrite)
    partial = out.with_name(f".{out.name}.partial")
    prepare_output(partial, README, overwrite=True)  # what a killed export left
    try:
        for name, content in files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(content)
        shutil.rmtree(out)
        os.replace(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file() and path.name != MARK)


def _web(carried: dict[str, bytes]) -> dict[str, bytes]:
    files = {**carried, **_sources(WEB)}
    return {**files, VERSION: _version(files).encode()}


def _android(carried: dict[str, bytes]) -> dict[str, bytes]:
    return {**_sources(ANDROID), **{f"{_ASSETS}/{name}": content for name, content in carried.items()}}


def _sources(folder: Path) -> dict[str, bytes]:
    """Return the files of an app but for its README, whose name takes that of the model."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != README}


def _golden(file: ModelFile, card: ModelCard) -> dict[str, bytes]:
    """Return the golden pictures of a model, each of which is one that freezenet draws."""
    model = file.path
    if not card.golden:
        raise ModelError(f"A model with golden vectors is required. Got: {model.name} without any; convert it again.")
    if not isinstance((card.content.get("calibration") or {}).get("images", 0), int):
        raise RefusedError(
            f"A card that names no training image is required. Got: {model.name} with a list of them; convert it again."
        )
    drawn = golden_images(card.preprocess)
    pictures = {}
    for vector in card.golden:
        name = vector["image"]
        try:
            pictures[name] = file.associated(name)
        except KeyError:
            raise ModelError(
                f"A model with its golden pictures inside is required. Got: {model.name} without {name}; convert it again."
            ) from None
        if name not in drawn or not _same(pictures[name], drawn[name]):
            raise RefusedError(
                f"Golden pictures that this version draws are required. Got: another {name} in {model.name}; convert it again."
            )
    return pictures


def _same(one: bytes, other: bytes) -> bool:
    first, second = (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) for data in (one, other))
    if first is None or second is None or first.shape != second.shape or first.dtype != second.dtype:
        return False
    return bool(np.abs(first.astype(np.float64) - second.astype(np.float64)).mean() <= _SAME_PICTURE)


def _version(files: dict[str, bytes]) -> str:
    """Return the script that tells the service worker what to keep, and that it is something new."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\0".encode())
    kept = ["./", *sorted(files.keys() - {README, "package.json", "sw.js"})]
    return f"self.VERSION = {json.dumps(digest.hexdigest()[:16])};\nself.FILES = {json.dumps(kept)};\n"


def _readme(card: ModelCard, sources: Path) -> str:
    text = (sources / README).read_text(encoding="utf-8")
    return text.replace("for chest X-rays", f"for {card.content['name']}, {card.variant}: {', '.join(card.labels)}", 1)
