"""The command: help, exit codes, and one sentence for every bad input."""

from __future__ import annotations

import csv
import ctypes
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from freezenet import cli

ROOT = Path(__file__).resolve().parents[1]
#: A training that would take seconds, if a bad input did not end it first.
QUICK = (
    "--recipe",
    "phantoms",
    "--weights",
    "none",
    "--set",
    "epochs=1",
    "--set",
    "image_size=32",
    "--set",
    "alpha=0.05",
)


@pytest.fixture
def refused(command):
    """Run the command, which must end with exit code 1 and one sentence; return the sentence."""

    def run(*arguments):
        code, out, err = command(*arguments)
        lines = [line for line in err.splitlines() if line.startswith("Error:")]
        assert (code, out, len(lines)) == (1, "", 1), err
        assert "Traceback" not in err
        assert err.rstrip().splitlines()[-1] == lines[0]
        return lines[0]

    return run


def draw(path: Path, number: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(number).integers(0, 256, (40, 40), dtype=np.uint8)
    assert cv2.imwrite(str(path), image)
    return path


@pytest.fixture
def data(tmp_path) -> Path:
    """A sound folder of two classes with eight images each."""
    for number in range(16):
        draw(tmp_path / "data" / "ab"[number % 2] / f"{number}.png", number)
    return tmp_path / "data"


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is; its few bytes of data are one black row."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (width + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


# ---------------------------------------------------------------- help and usage


def test_help_names_every_verb(command):
    code, out, err = command("--help")
    assert (code, err) == (0, "")
    listed = set(re.findall(r"^  (\S+)", out.split("Commands:")[1], re.M))
    assert "..." not in out.split("Commands:")[1]
    assert listed == {
        "pipeline", "demo", "data", "audit", "recipes", "train", "crossval", "convert", "sign", "export-app", "export-hub", "evaluate", "compare",
        "benchmark", "bundle", "checklist", "localize", "predict",
        "serve", "watch", "dicom-node", "screen", "inspect", "verify", "doctor",
    } == set(cli.VERBS)  # fmt: skip


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_help_of_each_verb(command, verb):
    for option in ("--help", "-h"):
        code, out, err = command(verb, option)
        assert (code, err) == (0, "")
        assert out.startswith(f"Usage: freezenet {verb} ") or f" {verb} " in out.splitlines()[0]
        assert "--help" in out


def test_version(command):
    from importlib.metadata import version

    assert command("--version") == (0, f"freezenet {version('freezenet')}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("trian",),
        ("train",),
        ("train", "data"),
        ("train", "data", "--out"),
        ("convert", "run", "--out", "models", "--colour"),
        ("convert", "run", "--out", "models", "--calibration-images", "0"),
        ("benchmark",),
        ("bundle", "out"),
        ("bundle", "out", "--platform", "mips"),
        ("benchmark", "model", "--threads", "none"),
        ("predict",),
    ],
)
def test_wrong_usage_is_exit_code_2(command, arguments):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err.count("Error: ") == 1 and "Traceback" not in err


def test_exit_code_and_streams_of_a_real_process(tmp_path):
    """stderr of a whole process: no chatter of C++ libraries, no traceback, one sentence."""
    (tmp_path / "empty").mkdir()
    given = [
        sys.executable,
        "-m",
        "freezenet",
        "train",
        str(tmp_path / "empty"),
        "--out",
        str(tmp_path / "run"),
        *QUICK,
    ]
    done = subprocess.run(given, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ") and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------- DATA


def test_data_that_does_not_exist(refused, tmp_path):
    assert "which does not exist" in refused("train", tmp_path / "nowhere", "--out", tmp_path / "run", *QUICK)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("verb", ["train", "pipeline"])
def test_an_empty_folder(refused, tmp_path, verb):
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path / 'empty'}, without images" in refused(
        verb, tmp_path / "empty", "--out", tmp_path / "out", *QUICK
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["train", "pipeline"])
def test_one_class(refused, data, tmp_path, verb):
    shutil.rmtree(data / "b")
    assert "At least two classes are required. Got: 1 (a)" in refused(verb, data, "--out", tmp_path / "out", *QUICK)
    assert not (tmp_path / "out").exists()


def test_a_class_with_fewer_images_than_sides(refused, data, tmp_path):
    for number in range(2):
        draw(data / "scarce" / f"s{number}.png", 100 + number)
    line = refused("train", data, "--out", tmp_path / "run", *QUICK)
    assert "At least 3 patients in every class are required" in line and "scarce (2)" in line
    assert not (tmp_path / "run").exists()


def write_csv(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def test_a_class_with_fewer_patients_than_sides(refused, data, tmp_path):
    rows = [[str(path.relative_to(data)), path.parent.name, "one" if path.parent.name == "b" else path.stem]
            for path in sorted(data.rglob("*.png"))]  # fmt: skip
    table = write_csv(data / "data.csv", [["file", "class", "patient_id"], *rows])
    assert "Got: b (1)" in refused("train", table, "--out", tmp_path / "run", *QUICK)
    assert not (tmp_path / "run").exists()


def test_a_csv_that_names_missing_files(refused, data, tmp_path):
    rows = [[str(path.relative_to(data)), path.parent.name] for path in sorted(data.rglob("*.png"))]
    table = write_csv(data / "data.csv", [["file", "class"], *rows, ["a/absent.png", "a"], ["a/gone.png", "a"]])
    line = refused("train", table, "--out", tmp_path / "run", *QUICK)
    assert "Got: 2 of 18 missing" in line and "absent.png" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("header", "named"),
    [(["path", "class"], "file"), (["file", "label"], "class"), (["x", "y"], "file and class")],
)
def test_a_csv_without_its_columns(refused, data, tmp_path, header, named):
    table = write_csv(data / "data.csv", [header, ["a/0.png", "a"]])
    assert f"data.csv without {named}" in refused("train", table, "--out", tmp_path / "run", *QUICK)
    assert not (tmp_path / "run").exists()


def test_a_csv_that_is_none(refused, tmp_path):
    (tmp_path / "data.csv").write_bytes(bytes(range(256)))
    assert "A CSV in UTF-8, or a folder, is required" in refused(
        "train", tmp_path / "data.csv", "--out", tmp_path / "run", *QUICK
    )


def spoil(path: Path, kind: str) -> None:
    whole = path.read_bytes()
    if kind == "zero bytes":
        path.write_bytes(b"")
    elif kind == "no image":
        path.write_bytes(b"this is no image" * 20)
    elif kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "1 x 1":
        assert cv2.imwrite(str(path), np.zeros((1, 1), np.uint8))
    else:
        path.write_bytes(png_header(20_000, 20_000))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("zero bytes", "an empty file"),
        ("no image", "cannot be decoded"),
        ("truncated", "truncated"),
        ("1 x 1", "1 x 1"),
        ("20,000 x 20,000", "20000 x 20000"),
    ],
)
def test_an_image_that_cannot_be_used(refused, data, tmp_path, kind, reason):
    spoil(data / "a" / "4.png", kind)
    line = refused("train", data, "--out", tmp_path / "run", *QUICK)
    assert "Got: 1 of 16 that are not" in line and "--skip-unreadable" in line
    assert str(data / "a" / "4.png") in line and reason in line
    assert not (tmp_path / "run").exists()


def test_an_image_without_permission(refused, data, tmp_path, monkeypatch):
    """Root reads everything, so the refusal of the file system is played."""
    read_bytes = Path.read_bytes

    def guarded(path):
        if path.name == "4.png":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", guarded)
    line = refused("train", data, "--out", tmp_path / "run", *QUICK)
    assert "4.png: Permission denied" in line
    assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------- weights, recipe, output


def test_weights_that_do_not_fit(refused, data, tmp_path):
    import keras

    file = tmp_path / "other.weights.h5"
    keras.applications.MobileNetV2((32, 32, 3), alpha=0.1, include_top=False, weights=None).save_weights(file)
    line = refused("train", data, "--out", tmp_path / "run", *QUICK, "--weights", file)
    assert "width 0.05 are required" in line and file.name in line
    assert not (tmp_path / "run" / "metrics.json").exists() and not (tmp_path / "run" / "model.keras").exists()


def test_weights_that_are_no_file(refused, data, tmp_path):
    line = refused("train", data, "--out", tmp_path / "run", *QUICK, "--weights", tmp_path / "absent.h5")
    assert "which is no file" in line and "storage.googleapis.com" in line


def test_imagenet_weights_without_a_network(refused, data, tmp_path, monkeypatch):
    import keras

    real = keras.applications.MobileNetV2

    def offline(*args, weights=None, **kwargs):
        if weights == "imagenet":
            raise Exception("URL fetch failure on https://storage.googleapis.com: Temporary failure in name resolution")
        return real(*args, weights=weights, **kwargs)

    monkeypatch.setattr(keras.applications, "MobileNetV2", offline)
    line = refused("train", data, "--out", tmp_path / "run", *QUICK, "--set", "alpha=0.35", "--weights", "imagenet")
    assert "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5" in line
    assert "--weights FILE" in line and "name resolution" in line


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("epochs=0", "from 1 to"),
        ("epochs=many", "a whole number"),
        ("epoch=3", "'epoch'"),
        ("epochs", "key=value"),
        ("loss=mse", "attention"),
    ],
)
def test_a_wrong_setting(refused, data, tmp_path, setting, named):
    assert named in refused("train", data, "--out", tmp_path / "run", *QUICK, "--set", setting)
    assert not (tmp_path / "run").exists()


def test_an_unknown_recipe(refused, data, tmp_path):
    assert "phantoms" in refused("train", data, "--out", tmp_path / "run", "--recipe", "resnet")


def test_an_output_that_exists(refused, run, data, phantoms):
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    assert "--overwrite to do it again, or choose another name" in refused(
        "train", phantoms, "--out", run.folder, *QUICK
    )
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


@pytest.mark.parametrize("verb", ["train", "pipeline"])
def test_an_output_with_foreign_files(refused, data, tmp_path, verb):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    assert "holds other files" in refused(verb, data, "--out", tmp_path / "out", *QUICK, "--overwrite")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_an_output_that_is_a_file(refused, data, tmp_path):
    (tmp_path / "out").write_text("text")
    assert "a file; choose another name" in refused("train", data, "--out", tmp_path / "out", *QUICK)
    assert (tmp_path / "out").read_text() == "text"


# ---------------------------------------------------------------- model files


@pytest.mark.parametrize("verb", ["predict", "inspect", "verify", "evaluate", "benchmark"])
@pytest.mark.parametrize("content", [b"", b"a text file", b"PK\x03\x04 half a zip"])
def test_a_model_that_is_no_tflite(refused, data, tmp_path, verb, content):
    (tmp_path / "model.tflite").write_bytes(content)
    rest = {"predict": [data / "a" / "0.png"], "evaluate": [data]}.get(verb, [])
    assert "required" in refused(verb, tmp_path / "model.tflite", *rest)


@pytest.mark.parametrize("verb", ["predict", "inspect", "verify", "evaluate", "benchmark"])
def test_a_model_that_does_not_exist_or_is_a_folder(refused, data, tmp_path, verb):
    rest = {"predict": [data / "a" / "0.png"], "evaluate": [data]}.get(verb, [])
    assert "does not exist" in refused(verb, tmp_path / "absent.tflite", *rest)
    assert "a folder" in refused(verb, data, *rest)


def test_a_folder_without_models(refused, data):
    assert "conversion.json" in refused("compare", data)


# ---------------------------------------------------------------- the disk


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    libc = ctypes.CDLL(None, use_errno=True)
    folder = tmp_path / "small"
    folder.mkdir()
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=256k"):
        pytest.skip(f"mounting a small file system is not allowed here: {os.strerror(ctypes.get_errno())}")
    yield folder
    assert libc.umount2(os.fsencode(folder), 2) == 0


def test_a_full_disk_while_a_model_is_written(command, run, small_disk):
    code, _, err = command("convert", run.folder, "--out", small_disk / "models", "--variants", "float32")
    assert code == 1
    assert err.splitlines()[-1] == "Error: The file system said no: No space left on device."
    left = {path.name for path in (small_disk / "models").iterdir()}
    assert left == {".freezenet"}


def test_a_full_disk_while_training(refused, data, small_disk):
    line = refused(
        "train",
        data,
        "--out",
        small_disk / "run",
        *QUICK,
        "--set",
        "alpha=0.35",
        "--set",
        "freeze_fraction=1",
    )
    assert "No space left on device" in line
    left = {path.name for path in (small_disk / "run").iterdir()}
    assert not left & {"model.keras", "metrics.json"} and not [name for name in left if "partial" in name]


def test_an_interruption_is_exit_code_130(command, monkeypatch):
    import click

    monkeypatch.setattr(cli.cli, "main", lambda **_: (_ for _ in ()).throw(click.exceptions.Abort()))
    assert command("doctor") == (130, "", "Interrupted.\n")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (
            PermissionError(13, "Permission denied", "/there"),
            "Error: The file system said no: /there: Permission denied.\n",
        ),
        (MemoryError(), "Error: More memory is required than this machine has free.\n"),
        (ModuleNotFoundError("No module", name="keras"), "pip install 'freezenet[train]'"),
        (ModuleNotFoundError("No module", name="nowhere"), "pip install 'freezenet[all]'"),
    ],
)
def test_other_failures_are_one_sentence_too(command, monkeypatch, failure, said):
    monkeypatch.setattr(cli.cli, "main", lambda **_: (_ for _ in ()).throw(failure))
    code, out, err = command("doctor")
    assert (code, out) == (1, "")
    assert said in err and err.startswith("Error: ") and err.count("\n") == 1


#: As `importlib.metadata` gives them, in the order of pyproject.toml.
REQUIREMENTS = [
    "numpy>=1.24; platform_machine != 'armv7l'",
    'tensorflow<2.22,>=2.19; extra == "train"',
    'scikit-learn>=1.4; extra == "train"',
    'scipy>=1.11; extra == "train"',
    'tomli>=2; python_version < "3.11" and extra == "train"',
    "matplotlib>=3.8; extra == 'report'",
    "scipy>=1.11; extra == 'report'",
    'huggingface_hub>=0.30; extra == "hub"',
    'python-multipart>=0.0.9; extra == "serve"',
    'freezenet[report,train]; extra == "all"',
]


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("keras", "train"),
        ("sklearn.metrics", "train"),
        ("scipy", "train"),
        ("tomli", "train"),
        ("matplotlib.pyplot", "report"),
        ("huggingface_hub", "hub"),
        ("multipart", "serve"),
        ("nowhere", "all"),
    ],
)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch, module, extra):
    monkeypatch.setattr("importlib.metadata.requires", lambda name: REQUIREMENTS)
    said = cli.missing_package(ModuleNotFoundError("No module", name=module))
    assert f"pip install 'freezenet[{extra}]'" in said
    assert module in said
