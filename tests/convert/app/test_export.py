"""`freezenet export-app` writes a folder that is whole, and nothing of a training image."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from freezenet.convert.app import ANDROID, WEB
from freezenet.convert.app.export import export_app
from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.errors import ModelError, RefusedError, SettingError
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.integrity.verify import verify


def read_associated(model: Path, name: str) -> bytes:
    return ModelFile.read(model).associated(name)


def changed(model: Path, folder: Path, **files: bytes) -> Path:
    """A copy of a model with other associated files, named with "_" for "."."""
    content = model.read_bytes()
    archive = zipfile.ZipFile(io.BytesIO(content))
    packed = io.BytesIO(content[: min(one.header_offset for one in archive.infolist())])
    packed.seek(0, io.SEEK_END)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_STORED) as other:
        for one in archive.infolist():
            other.writestr(one.filename, files.get(re.sub(r"\W", "_", one.filename), archive.read(one)))
    path = folder / "changed.tflite"
    path.write_bytes(packed.getvalue())
    return path


def card_bytes(model: Path, **keys) -> bytes:
    content = {**json.loads(read_associated(model, "card.json")), **keys}
    return json.dumps({key: value for key, value in content.items() if value is not None}).encode()


def test_a_folder_with_all_that_an_app_needs(phone_model, tmp_path):
    names = export_app(phone_model, tmp_path / "app")
    folder = tmp_path / "app"
    assert set(names) >= {"README.md", "model.tflite", "card.json", "index.html", "core.js", "sw.js", "version.js"}
    assert (folder / "model.tflite").read_bytes() == phone_model.read_bytes()
    assert (folder / "card.json").read_bytes() == read_associated(phone_model, "card.json")
    card = ModelCard.from_dict(json.loads((folder / "card.json").read_text()))
    for vector in card.golden:
        assert (folder / "golden" / vector["image"]).read_bytes() == read_associated(phone_model, vector["image"])
    for source in WEB.iterdir():
        if source.name != "README.md":
            assert (folder / source.name).read_bytes() == source.read_bytes()
    readme = (folder / "README.md").read_text()
    assert card.content["name"] in readme.splitlines()[0] and len(re.findall(r"^\d\. ", readme, re.M)) == 5


def test_the_android_app(phone_model, tmp_path, command):
    code, listed, _ = command("export-app", phone_model, tmp_path / "app", "--android")
    folder = tmp_path / "app"
    assert code == 0 and str(folder / "core/src/main/kotlin/freezenet/phone/Area.kt") in listed
    assets = folder / "app" / "src" / "main" / "assets"
    assert (assets / "model.tflite").read_bytes() == phone_model.read_bytes()
    assert {path.name for path in (assets / "golden").iterdir()} == {
        one["image"] for one in ModelCard.read(phone_model).golden
    }
    assert not (folder / "index.html").exists()
    manifest = (folder / "app" / "src" / "main" / "AndroidManifest.xml").read_text()
    asked = re.findall(r"<uses-permission [^>]*>", manifest)
    assert all('tools:node="remove"' in one for one in asked) and any("INTERNET" in one for one in asked)
    build = (folder / "app" / "build.gradle.kts").read_text()
    assert "noCompress" in build and "arm64-v8a" in build
    assert len(re.findall(r"^\d\. ", (folder / "README.md").read_text(), re.M)) == 5


def test_both_apps(phone_model, tmp_path):
    names = export_app(phone_model, tmp_path / "app", web=True, android=True)
    assert {"README.md", "web/README.md", "web/model.tflite", "android/app/src/main/assets/card.json"} <= set(names)


def test_the_service_worker_keeps_all_and_notices_another_model(phone_model, tmp_path):
    names = export_app(phone_model, tmp_path / "app")
    script = (tmp_path / "app" / "version.js").read_text()
    kept = json.loads(re.search(r"FILES = (\[.*\])", script)[1])
    assert set(names) - set(kept) == {"README.md", "package.json", "sw.js", "version.js"}
    card = card_bytes(phone_model, name="another")
    export_app(changed(phone_model, tmp_path, card_json=card), tmp_path / "other")
    assert (tmp_path / "other" / "version.js").read_text() != script


def test_a_file_without_ood_gate_is_refused_unless_told(phone_model, tmp_path, command):
    model = changed(phone_model, tmp_path, card_json=card_bytes(phone_model, gate=None))
    code, _, said = command("export-app", model, tmp_path / "app")
    assert code == 1 and "--without-ood-gate" in said and not (tmp_path / "app").exists()
    code, listed, _ = command("export-app", model, tmp_path / "app", "--without-ood-gate")
    assert code == 0 and str(tmp_path / "app" / "model.tflite") in listed


def test_nothing_of_a_training_image(phone_model, phantoms, tmp_path):
    """Not a picture that freezenet has not drawn, nor a list of files."""
    photo = cv2.imread(str(next(phantoms.parent.rglob("*.png"))), cv2.IMREAD_GRAYSCALE)
    name = ModelCard.read(phone_model).golden[0]["image"]
    drawn = cv2.imdecode(np.frombuffer(read_associated(phone_model, name), np.uint8), cv2.IMREAD_UNCHANGED)
    for image in (photo, cv2.resize(photo, drawn.shape[:2][::-1])):
        data = {re.sub(r"\W", "_", name): cv2.imencode(".png", image)[1].tobytes()}
        with pytest.raises(RefusedError, match="Golden pictures that this version draws"):
            export_app(changed(phone_model, tmp_path, **data), tmp_path / "app")
    listed = card_bytes(phone_model, calibration={"images": [{"file": "Doe^Jane.png"}]})
    with pytest.raises(RefusedError, match="names no training image"):
        export_app(changed(phone_model, tmp_path, card_json=listed), tmp_path / "app")
    assert not (tmp_path / "app").exists()


def test_what_cannot_be_exported(phone_model, own_models, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(SettingError, match="holds other files"):
        export_app(phone_model, tmp_path / "mine")
    with pytest.raises(ModelError, match="golden vectors"):
        export_app(changed(phone_model, tmp_path, card_json=card_bytes(phone_model, golden=None)), tmp_path / "app")
    with pytest.raises(ModelError, match="does not exist"):
        export_app(tmp_path / "nothing.tflite", tmp_path / "app")
    with (own_models / "int8.tflite").open("ab") as file:
        file.write(b"x")
    with pytest.raises(RefusedError, match="another SHA-256"):
        export_app(own_models / "int8.tflite", tmp_path / "app", without_ood_gate=True)


def test_an_export_is_replaced_only_if_told(phone_model, tmp_path):
    export_app(phone_model, tmp_path / "app")
    (tmp_path / "app" / "node_modules").mkdir()
    with pytest.raises(SettingError, match="--overwrite"):
        export_app(phone_model, tmp_path / "app")
    export_app(phone_model, tmp_path / "app", overwrite=True)
    assert not (tmp_path / "app" / "node_modules").exists()
    assert not list(tmp_path.glob(".*.partial"))


def test_an_exported_model_still_verifies(phone_model, tmp_path):
    from freezenet.edge_runtime.classifier import Classifier

    export_app(phone_model, tmp_path / "app")
    assert verify(Classifier(tmp_path / "app" / "model.tflite")).passed


def test_the_page_trusts_its_own_script_and_no_other():
    page = (WEB / "index.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    (inline,) = re.findall(r"<script(?![^>]*src)[^>]*>(.*?)</script>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy and "connect-src 'self'" in policy and "unsafe-inline" not in policy
    assert not re.search(r"\son\w+=|style=", page)
    assert "default-src 'none'" in policy


def test_no_source_names_another_origin():
    for path in WEB.glob("*.[jhcw]*"):
        addresses = re.findall(r"https?://[^\s\"'<>`)]+", path.read_text(encoding="utf-8"))
        assert {one for one in addresses if "127.0.0.1" not in one and "w3.org" not in one} == set(), path.name


def test_the_examples_are_the_sources():
    examples = WEB.parents[3] / "examples"
    assert (examples / "phone-web").resolve() == WEB.resolve()
    assert (examples / "android").resolve() == ANDROID.resolve()
