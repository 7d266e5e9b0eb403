"""The hub's folder says what the models say, read back by parsers of another origin."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

import freezenet.convert.package.hub as hub
from freezenet.convert.package.hub import export_hub
from freezenet.convert.package.signing import sign_folder
from freezenet.edge_runtime.errors import FreezenetError, RefusedError
from freezenet.edge_runtime.integrity.hashes import sha256_file


@pytest.fixture(scope="module")
def exported(models, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "hub"
    export_hub(models, folder)
    return folder


def front_matter_and_body(folder: Path) -> tuple[dict, str]:
    text = (folder / "README.md").read_text(encoding="utf-8")
    _, front, body = re.split(r"^---\n", text, maxsplit=2, flags=re.M)
    return YAML(typ="safe").load(front), body


def cells(body: str) -> list[list[str]]:
    """The rows of all Markdown tables, as text, read by a CommonMark parser."""
    rows: list[list[str]] = []
    for token in MarkdownIt().enable("table").parse(body):
        if token.type == "tr_open":
            rows.append([])
        if token.type == "inline" and rows and token.level > 3:
            rows[-1].append("".join(child.content for child in token.children if child.content))
    return rows


def main_files(models: Path) -> list[Path]:
    return [path for path in models.glob("*.tflite") if not path.stem.endswith("-app")]


def card_in(model: Path) -> dict:
    with zipfile.ZipFile(model) as archive:
        return json.loads(archive.read("card.json"))


def test_the_files_are_those_of_the_models(models, exported):
    names = [path.stem for path in main_files(models)]
    assert {path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()} == {
        ".freezenet", "README.md", "labels.txt", "preprocess.json",
        *(f"{name}/{file}" for name in names for file in ("model.tflite", "model-app.tflite", "card.json")),
    }  # fmt: skip
    for name in names:
        card = card_in(models / f"{name}.tflite")
        assert (exported / name / "model.tflite").read_bytes() == (models / f"{name}.tflite").read_bytes()
        assert json.loads((exported / name / "card.json").read_text()) == card
        assert (exported / "labels.txt").read_text().splitlines() == card["labels"]
        assert json.loads((exported / "preprocess.json").read_text()) == card["preprocess"]


def test_the_front_matter_holds_every_measured_figure(models, exported):
    front, _ = front_matter_and_body(exported)
    assert front["pipeline_tag"] == "image-classification"
    assert (front["library_name"], front["license"]) == ("litert", "other")
    assert {"tflite", "chest-x-ray"} <= set(front["tags"])
    (entry,) = front["model-index"]
    (result,) = entry["results"]
    assert result["task"] == {"type": "image-classification"}
    assert result["dataset"] == {"name": "unnamed data set", "type": "unnamed-data-set", "split": "test"}
    found = {(one["type"], one["name"]): one["value"] for one in result["metrics"]}
    expected = {}
    for path in main_files(models):
        figures = card_in(path)["accuracy"]
        expected["accuracy", f"Accuracy ({path.stem})"] = figures["accuracy"]["value"]
        expected["f1", f"Macro-F1 ({path.stem})"] = figures["macro_f1"]["value"]
    assert found == expected
    assert len(found) == 10


def test_the_hubs_own_reader_reads_it(exported):
    from huggingface_hub import ModelCard

    card = ModelCard.load(exported / "README.md")
    assert len(card.data.eval_results) == 10
    assert card.data.model_name.startswith("freezenet ")


def test_the_body_holds_intervals_hashes_and_what_must_be_said(models, exported):
    _, body = front_matter_and_body(exported)
    rows = cells(body)
    for path in main_files(models):
        card = card_in(path)
        accuracy = card["accuracy"]["accuracy"]
        (row,) = [row for row in rows if row[0] == f"{path.stem}/model.tflite"]
        assert row[3] == f"{accuracy['value']:.3f} [{accuracy['low']:.3f}, {accuracy['high']:.3f}]"
        assert row[5] == hashlib.sha256(path.read_bytes()).hexdigest()
    card = card_in(models / "int8.tflite")
    text = " ".join(body.split())
    assert card["notice"] in text
    assert "confidence" not in card  # the run of these tests was made without
    assert "by the rule in its `card.json`: scores as they are; says uncertain never." in text
    for key in ("data_sha256", "splits_sha256", "model_sha256"):
        assert card["trained_on"][key] in body
    for needed in (
        "## Intended use",
        "Not intended",
        "## What the figures cannot show",
        "freezenet predict",
        "mediapipe",
    ):
        assert needed in body
    for label in card["labels"]:
        (row,) = [row for row in rows if row[0] == label]
        assert row[1] == str(card["accuracy"]["per_class"][label]["support"])
    assert "{{" not in body and "{%" not in body and "None" not in body
    # Nobody else's folders are told to the world.
    assert str(models.parent) not in body


def test_an_app_profile_is_taken_along(own_models, tmp_path):
    conversion = json.loads((own_models / "conversion.json").read_text())
    del conversion["variants"]["float32"]["profiles"]["app"]
    (own_models / "conversion.json").write_text(json.dumps(conversion))
    names = export_hub(own_models, tmp_path / "hub", license="apache-2.0", dataset="Phantoms | drawn")
    assert "int8/model-app.tflite" in names and "float32/model-app.tflite" not in names
    assert sha256_file(tmp_path / "hub" / "int8" / "model-app.tflite") == sha256_file(own_models / "int8-app.tflite")
    front, body = front_matter_and_body(tmp_path / "hub")
    assert front["license"] == "apache-2.0" and "license_name" not in front
    assert front["model-index"][0]["results"][0]["dataset"] == {
        "name": "Phantoms | drawn", "type": "phantoms-drawn", "split": "test",
    }  # fmt: skip
    assert [row for row in cells(body) if row[0] == "int8/model-app.tflite"]
    assert 'model_asset_path="int8/model-app.tflite"' in body


def test_an_export_can_be_signed_and_its_models_verified(exported, make_key, command, tmp_path):
    private, public = make_key()
    folder = Path(shutil.copytree(exported, tmp_path / "hub"))
    assert command("sign", folder, "--key", private)[0] == 0
    code, out, _ = command("verify", folder / "int8" / "model.tflite", "--public-key", public)
    assert code == 0 and out.endswith("signature valid\n")
    code, out, _ = command("verify", folder, "--public-key", public, "--json")
    assert [json.loads(line)["model"] for line in out.splitlines()] == sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*.tflite")
    )
    (folder / "README.md").write_text("better figures")
    code, _, err = command("verify", folder / "int8", "--public-key", public)
    assert code == 3 and "README.md changed since" in err


def test_the_command_lists_the_files(models, command, tmp_path):
    code, out, err = command("export-hub", models, tmp_path / "hub")
    assert (code, err) == (0, "")
    assert all(Path(line).is_file() for line in out.splitlines())
    assert str(tmp_path / "hub" / "README.md") in out


def test_a_folder_with_other_content_is_refused(models, command, tmp_path):
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "thesis.txt").write_text("years")
    for more in ((), ("--overwrite",)):
        code, _, err = command("export-hub", models, tmp_path / "hub", *more)
        assert code == 1 and "holds other files" in err and err.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["hub", "thesis.txt"]


def test_an_earlier_export_is_replaced_only_when_asked(models, tmp_path):
    export_hub(models, tmp_path / "hub")
    (tmp_path / "hub" / "old.txt").touch()
    with pytest.raises(FreezenetError, match="pass --overwrite"):
        export_hub(models, tmp_path / "hub")
    assert (tmp_path / "hub" / "old.txt").exists()
    assert "old.txt" not in export_hub(models, tmp_path / "hub", overwrite=True)


def test_a_killed_export_leaves_nothing_half_written_and_can_be_repeated(models, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(hub, "write_json", fail)
    with pytest.raises(KeyboardInterrupt):
        export_hub(models, tmp_path / "hub")
    assert [path.name for path in tmp_path.rglob("*")] == ["hub", ".freezenet"]
    monkeypatch.undo()
    # What a kill that lets nothing run leaves beside it.
    (tmp_path / ".hub.partial").mkdir()
    (tmp_path / ".hub.partial" / ".freezenet").touch()
    (tmp_path / ".hub.partial" / "half.tflite").touch()
    assert "README.md" in export_hub(models, tmp_path / "hub")
    assert [path.name for path in tmp_path.iterdir()] == ["hub"]
    assert not list((tmp_path / "hub").rglob("half.tflite"))


def test_what_cannot_be_exported_costs_no_earlier_export(own_models, tmp_path):
    out = tmp_path / "hub"
    export_hub(own_models, out)
    shutil.copyfile(own_models / "float32.tflite", own_models / "int8.tflite")
    with pytest.raises(RefusedError, match=r"int8\.tflite with another SHA-256"):
        export_hub(own_models, out, overwrite=True)
    (own_models / "int8.tflite").unlink()
    with pytest.raises(FreezenetError, match="which does not exist"):
        export_hub(own_models, out, overwrite=True)
    (own_models / "conversion.json").write_text('{"variants": {}}')
    with pytest.raises(FreezenetError, match="at least one variant is required"):
        export_hub(own_models, out, overwrite=True)
    with pytest.raises(FreezenetError, match=r"conversion\.json inside is required"):
        export_hub(tmp_path, out, overwrite=True)
    assert (out / "README.md").is_file()


def test_the_extra_is_named_where_it_is_missing(models, tmp_path, command, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    code, _, err = command("export-hub", models, tmp_path / "hub")
    assert code == 1 and "pip install 'freezenet[hub]'" in err
    assert not (tmp_path / "hub").exists()


def test_a_signature_of_the_models_does_not_travel(own_models, make_key, tmp_path):
    """It would not fit the folder; the export is signed by itself."""
    sign_folder(own_models, make_key()[0])
    assert "model.sig" not in export_hub(own_models, tmp_path / "hub")
