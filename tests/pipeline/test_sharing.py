"""Nothing that is made to be handed on names a patient, a file or a place: searched byte by byte, inside archives too."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

#: Folder of DATA, folders of classes, sources, patients: each a word that stands nowhere else.
HOME, DATA = "Klinik-Sankt-Elisabeth", "Lungenarchiv-2019"
SOURCES = ("St. Mary Hospital", "Universitätsklinik Köln")
PEOPLE = (
    "Jane_Doe_1970-01-01",
    "Müller^Hans",
    "O'Neill, Ava",
    "Łukasz-Żak",
    "山田太郎",
    "MRN-88124407",
    "1.2.840.99999.7",
)
SETTINGS = ("--recipe", "phantoms", "--set", "epochs=2", "--set", "batch_size=16", "--weights", "none")


@pytest.fixture(scope="module")
def named(tmp_path_factory, made_once) -> Path:
    """CSV of phantoms whose files, patients and sources have telling names."""
    from freezenet.train.data.phantoms import write_phantoms

    drawn = made_once("sharing-phantoms", lambda folder: write_phantoms(folder, scale=0.2, size=64)) / "phantoms.csv"
    folder = tmp_path_factory.mktemp("sharing") / HOME / DATA
    (folder / "Station 7b").mkdir(parents=True)
    rows = []
    with drawn.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file)):
            name = f"Station 7b/{PEOPLE[number % len(PEOPLE)]}-visit{number:04}.png"
            shutil.copyfile(drawn.parent / row["file"], folder / name)
            patient = f"PatNr-{row['patient_id']}-{PEOPLE[0]}"
            rows.append((name, row["class"], patient, SOURCES[number % len(SOURCES)]))
    table = folder / "Befunde-intern.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "class", "patient_id", "source"))
        writer.writerows(rows)
    return table


@pytest.fixture(scope="module")
def out(named, tmp_path_factory) -> Path:
    """Folder of a pipeline with every kind of variant that is made without a further training."""
    import freezenet.cli

    folder = tmp_path_factory.mktemp("out") / "Ausgabe-Schmidt"
    arguments = (
        "pipeline",
        named,
        "--out",
        folder,
        *SETTINGS,
        "--no-acceptance",
        "--share",
        "--calibration-images",
        12,
    )
    freezenet.cli.cli.main(
        [*map(str, arguments), "--variants", "float32,dynamic,int8,mixed,int16x8"], standalone_mode=False
    )
    return folder


@pytest.fixture(scope="module")
def secrets(named, out) -> dict[bytes, str]:
    """What nothing may hold -> what it is: names in each of the ways to write them, and every hash."""
    from freezenet.train.run_folder import RunFolder

    words = {HOME: "path", DATA: "path", "Befunde-intern": "path", "Station 7b": "path", str(out): "path of RUN"}
    words |= {out.name: "path of RUN", **dict.fromkeys(PEOPLE, "name"), **dict.fromkeys(SOURCES, "source")}
    found: dict[bytes, str] = {}
    for row in RunFolder(out / "run").read_splits():
        words |= {row["file"]: "file", Path(row["file"]).stem: "stem", row["patient_id"]: "patient"}
        digest = row["sha256"]
        found |= {digest.encode(): "hash", digest.upper().encode(): "hash", bytes.fromhex(digest): "hash"}
        found[base64.b64encode(bytes.fromhex(digest)).rstrip(b"=")[:-1]] = "hash"
    for word, kind in words.items():
        for text in (word, json.dumps(word)[1:-1], word.replace("'", "&#39;"), word.replace(" ", "%20")):
            found |= {text.encode(): kind, text.encode("utf-16-le"): kind}
    return found


def contents(content: bytes, name: str, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield the bytes of a file, then what is packed in it: members of a ZIP, and Base64."""
    yield name, content
    if depth > 3:
        return
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield f"{name}!{member}", member.encode()
                yield from contents(archive.read(member), f"{name}!{member}", depth + 1)
    for number, found in enumerate(re.findall(rb"[A-Za-z0-9+/]{40,}={0,2}", content)):
        if len(found) % 4 == 0:
            yield from contents(base64.b64decode(found), f"{name}!base64-{number}", depth + 1)


def leaks(path: Path, secrets: dict[bytes, str]) -> set[str]:
    """What of the secrets a file or folder holds, in its names too."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    assert files
    # The folder of the pipeline itself may be anywhere.
    names = [(f"name of {one.name}", one.relative_to(path.parent).as_posix().encode()) for one in files]
    parts = [*names, *(part for one in files for part in contents(one.read_bytes(), one.name))]
    return {f"{kind} in {name}" for name, content in parts for secret, kind in secrets.items() if secret in content}


def test_the_search_finds_what_stays_in_the_house(out, secrets):
    """Else it would prove nothing."""
    kinds = {one.split(" in ")[0] for one in leaks(out / "run" / "splits.csv", secrets)}
    assert kinds >= {"file", "stem", "patient", "source", "name", "hash", "path"}
    assert any("path" in one for one in leaks(out / "run" / "run.json", secrets))
    assert any("source" in one for one in leaks(out / "run" / "audit.json", secrets))
    assert leaks(out / "report.html", secrets) and leaks(out / "results.json", secrets)
    (listed,) = (out / "run").glob("calibration-*.csv")
    assert any("hash" in one for one in leaks(listed, secrets))


def test_the_search_looks_inside(secrets, tmp_path):
    secret = next(one for one, kind in secrets.items() if kind == "hash")
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep.txt", b"so much text " * 9 + secret)
    outer = tmp_path / "outer.tflite"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("inner.npz", inner.getvalue())
    assert leaks(outer, secrets)
    outer.write_text(json.dumps({"payload": base64.b64encode(b"so much text " * 9 + secret).decode()}))
    assert leaks(outer, secrets)


def test_the_models_name_nobody(out, secrets):
    assert len(list((out / "models").glob("*.tflite"))) == 10
    assert len(list((out / "models" / "scores").glob("*.npz"))) == 5
    assert leaks(out / "models", secrets) == set()


def test_the_hub_folder_and_the_signatures_name_nobody(out, secrets, command, make_key, tmp_path):
    private, _ = make_key()
    models = shutil.copytree(out / "models", tmp_path / "models")
    assert command("export-hub", models, tmp_path / "hub")[0] == 0
    audit = json.loads((out / "run" / "audit.json").read_text())
    assert f"could cheat with, in an audit of {audit['images']} images of the data: {audit['headline']}" in (
        tmp_path / "hub" / "README.md"
    ).read_text(encoding="utf-8")
    for folder in (models, tmp_path / "hub"):
        assert command("sign", folder, "--key", private)[0] == 0
        assert (folder / "model.sig").is_file()
        assert leaks(folder, secrets) == set()


def test_the_report_for_others_names_nobody(out, secrets):
    assert leaks(out / "report-share.html", secrets) == set()


def test_what_convert_writes_for_study_names_nobody(out, secrets, command, tmp_path):
    """A refused file, and the tables of --debug-layers."""
    strict = ("--acceptance", "strict=true", "--acceptance", "float32_difference=0", "--variants", "float32")
    code, out_text, _ = command(
        "convert",
        out / "run",
        "--out",
        tmp_path / "models",
        *strict,
        "--debug-layers",
        "--calibration-images",
        4,
        "--json",
    )
    assert code == 3
    assert {one.name for one in (tmp_path / "models").iterdir()} >= {
        "float32.tflite.refused",
        "layers.csv",
        "layers.png",
    }
    assert leaks(tmp_path / "models", secrets) == set()
    (tmp_path / "stdout.json").write_text(out_text)
    assert leaks(tmp_path / "stdout.json", secrets) == set()


def test_the_card_holds_counts_and_one_digest(out):
    from freezenet.edge_runtime.card import ModelCard

    with next((out / "run").glob("calibration-*.csv")).open(newline="", encoding="utf-8") as file:
        hashes = sorted(row["sha256"] for row in csv.DictReader(file))
    digest = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    card = ModelCard.read(out / "models" / "int8.tflite").content
    assert card["calibration"] == {"images": len(hashes), "sha256": digest}


def times(folder: Path) -> dict[Path, int]:
    """Time of every file that holds results."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".freezenet"]
    return {path: path.stat().st_mtime_ns for path in files}


def test_the_shared_report_of_a_finished_pipeline_is_written_alone(named, out, command, tmp_path):
    done = shutil.copytree(out, tmp_path / "done")
    (done / "report-share.html").unlink()
    before = times(done)
    arguments = (named, "--out", done, *SETTINGS, "--no-acceptance")
    code, _, err = command("pipeline", *arguments)
    assert code == 1 and "finished (it holds report.html)" in err
    code, stdout, err = command("pipeline", *arguments, "--share")
    assert code == 0 and stdout.splitlines()[-1] == str(done / "report-share.html")
    assert (done / "report-share.html").read_bytes() == (out / "report-share.html").read_bytes()
    assert {path: time for path, time in times(done).items() if path.name != "report-share.html"} == before
    assert f"for a phone: {done / 'models' / 'int8.tflite'} (with the OOD gate" in err
