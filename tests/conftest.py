"""Shared fixtures: drawn phantoms, one small trained run, its converted models, made-up DICOM files, and the real images where
they are."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from filelock import FileLock
from platformdirs import user_cache_path
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from tests.csv_rows import read_rows, write_rows

#: Real X-rays and weights for the project's own checks; a user's clone does without.
SHARED = Path(os.environ.get("FREEZENET_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared")

#: Added to the seed of every training of the tests.
SEED = int(os.environ.get("FREEZENET_TEST_SEED") or 0)

#: Clients are installed once for all sessions, so not into the session's own cache, which takes this variable's place.
TOOLS = Path(os.environ.get("FREEZENET_CACHE") or user_cache_path("freezenet")) / "clients"


#: Files that take longest, the longest first. A process takes whole files, and the last one to end decides.
LONG = (
    "convert/test_models.py", "test_shadow.py", "pipeline/test_stages.py", "convert/qat/test_variant.py",
    "train/recipes/test_shipped_recipes.py", "train/test_kills.py", "train/crossval/test_ray_cluster.py",
    "studies/test_crossval_speed.py", "convert/test_other_backbones.py", "studies/quantization/test_quantization.py",
    "pipeline/test_sharing.py", "train/fitting/test_fit.py", "pipeline/test_multi_label.py",
    "studies/test_training_speed.py", "train/network/test_backends.py", "train/test_training.py",
    "convert/qat/test_training.py", "train/fitting/test_phases.py", "studies/stress/test_dicom_node.py",
    "train/crossval/test_validation.py", "edge_runtime/server/test_page.py", "edge_runtime/watch/test_watcher.py",
    "convert/app/test_app.py", "environments/test_other_interpreters.py", "environments/test_base_install.py",
    "train/ood/test_negatives.py", "studies/peers/test_peers.py", "edge_runtime/dicom_node/test_sender.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files."""
    home = Path(__file__).parent
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.relative_to(home).as_posix(), len(LONG)))


@pytest.fixture(scope="session", autouse=True)
def _talk():
    """Show what the library logs, as a command does."""
    from freezenet.edge_runtime.system.talk import show_talk

    show_talk()
    for name in ("freezenet", "studies"):
        logging.getLogger(name).propagate = True  # for caplog


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder in which the clients are installed."""
    return TOOLS


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real chest X-rays and ImageNet weights."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} with real chest X-rays is not here; FREEZENET_TEST_DATA names another folder")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Keep the cache of the frozen backbone out of the user's own."""
    os.environ["FREEZENET_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    del os.environ["FREEZENET_CACHE"]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A function (name, make) -> folder that make(folder) fills: once for all processes of a session, which share it.

    What lies in such a folder is read and never changed.
    """
    base = tmp_path_factory.getbasetemp()
    common = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "common"
    common.mkdir(exist_ok=True)

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder, mark = common / name, common / f"{name}.made"
        with FileLock(common / f"{name}.lock"):
            if not mark.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of another process whose attempt failed
                folder.mkdir()
                make(folder)
                mark.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def seeded() -> Callable[[int], int]:
    """A function: seed of a training -> the one to use. `.ci/numerics` moves them all; no test may depend on one."""
    return lambda seed: seed + SEED


@pytest.fixture(scope="session", autouse=True)
def _other_seeds():
    """Where `.ci/numerics` asks for it, no network of a test starts from the weights that it always starts from."""
    if not SEED:
        yield
        return
    import keras

    original = keras.utils.set_random_seed
    keras.utils.set_random_seed = lambda seed: original(seed + SEED)
    yield
    keras.utils.set_random_seed = original


def plant_stripes(table: Path) -> Path:
    """Lay stripes, whose directions tell the labels, over phantoms: what any network learns with a wide margin."""
    for path in table.parent.rglob("*.png"):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.float32)
        y, x = np.indices(image.shape)
        for label, along in {"Focal": x, "Diffuse": y, "Reticular": x + y}.items():
            if label in path.parent.name.split(";"):
                image += np.where(along % 8 < 4, 60, -60)
        cv2.imwrite(str(path), np.clip(image, 0, 255).astype(np.uint8))
    return table


@pytest.fixture(scope="session")
def striped() -> Callable[[Path], Path]:
    """The function that lays stripes over a data set of phantoms."""
    return plant_stripes


@pytest.fixture(scope="session")
def phantoms(made_once) -> Path:
    """phantoms.csv of a small drawn data set: four classes, patients, 96 pixels.

    The patterns alone are learned by some ten epochs on one processor and hardly on another; stripes are learned on each.
    """
    from freezenet.train.data.phantoms import write_phantoms

    return (
        made_once("phantoms", lambda folder: plant_stripes(write_phantoms(folder, scale=0.4, size=96))) / "phantoms.csv"
    )


@pytest.fixture(scope="session")
def plain_phantoms(made_once) -> Path:
    """The same without stripes, for what needs answers that are not sure."""
    from freezenet.train.data.phantoms import write_phantoms

    return made_once("plain-phantoms", lambda folder: write_phantoms(folder, scale=0.4, size=96)) / "phantoms.csv"


@pytest.fixture(scope="session")
def with_changed_rows() -> Callable[[Path, Path, Callable[[int, dict[str, str]], dict[str, str]]], Path]:
    """A function (table, copy, change) -> the table of a copy of a data set whose rows, with their numbers, were changed."""

    def changed(table: Path, copy: Path, change: Callable[[int, dict[str, str]], dict[str, str]]) -> Path:
        shutil.copytree(table.parent, copy)
        rows = [change(number, row) for number, row in enumerate(read_rows(table))]
        return write_rows(copy / "changed.csv", rows)

    return changed


@pytest.fixture(scope="session")
def few_phantoms(made_once) -> Path:
    """A third of them, small, for what compares two trainings and asks of neither that it has learned."""
    from freezenet.train.data.phantoms import write_phantoms

    return made_once("few-phantoms", lambda folder: write_phantoms(folder, scale=0.12, size=64)) / "phantoms.csv"


@pytest.fixture(scope="session")
def run(phantoms, made_once, seeded):
    """A finished `freezenet.train.run.Run` of a small net on the phantoms."""
    from freezenet.train.options import TrainingOptions
    from freezenet.train.recipes.recipe import load_recipe
    from freezenet.train.run import Run
    from freezenet.train.training import train

    # Smoothed labels keep the scores from 0 and 1, where every file would agree with every other.
    settings = ("epochs=10", "batch_size=16", "patience=10", "label_smoothing=0.2", f"seed={seeded(1)}")

    def make(home: Path) -> None:
        recipe = load_recipe("phantoms", settings)
        train(phantoms, home / "run", recipe=recipe, options=TrainingOptions(weights="none"))
        # Most tests compare a device's answers with the network's scores, so the models say them as they are and never abstain.
        decision = Run.open(home / "run").decision_file
        decision.rename(home / decision.name)

    return Run.open(made_once("trained", make) / "run")


@pytest.fixture
def deciding_run(run, tmp_path):
    """A copy of `run` with what its training chose: temperature, abstention threshold and gate."""
    from freezenet.train.run import Run

    folder = Path(shutil.copytree(run.folder, tmp_path / "run"))
    own = Run.open(folder)
    shutil.copyfile(run.folder.parent / own.decision_file.name, own.decision_file)
    return own


@pytest.fixture(scope="session")
def models(run, made_once) -> Path:
    """The MODELS folder of `run` with every variant that needs no further training, in both profiles."""
    from freezenet.convert.models import convert
    from freezenet.convert.options import ConvertOptions

    variants = ("float32", "float16", "dynamic", "int8", "int16x8")
    # What acceptance refuses is in its own tests.
    options = ConvertOptions(variants=variants, profiles=("edge", "app"), acceptance=False)
    return made_once("converted", lambda folder: convert(run, folder / "models", options=options)) / "models"


@pytest.fixture(scope="session")
def left_out_crossval(phantoms, made_once) -> Path:
    """A folder with phantoms of three sites as sites.csv, and crossval/, where each fold was tested and each site left out.

    The site `east` alone has one class, and no site is written for some. Beside it lie stdout, arguments.json and the cache.
    """
    from click.testing import CliRunner

    from freezenet.cli import cli

    def make(home: Path) -> None:
        rows = read_rows(phantoms)
        patients = sorted({row["patient_id"] for row in rows})
        for row in rows:
            number = patients.index(row["patient_id"])
            row["file"] = str(phantoms.parent / row["file"])
            row["Site"] = "east" if row["class"] == "Focal" else ("north", "south", "nan")[number % 3]
        write_rows(home / "sites.csv", rows)
        arguments = ["crossval", str(home / "sites.csv"), "--out", str(home / "crossval"), "--leave-out", "Site", "--folds", "2",
                     "--weights", "none", "--cache", str(home / "cache")]  # fmt: skip
        for setting in ("image_size=64", "alpha=.35", "epochs=3", "batch_size=32", "learning_rate=2e-3"):
            arguments += ["--set", setting]
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        (home / "stdout").write_text(done.stdout, encoding="utf-8")
        (home / "arguments.json").write_text(json.dumps(arguments))

    return made_once("left-out-crossval", make)


@pytest.fixture(scope="session")
def phone_model(run, made_once) -> Path:
    """int8.tflite with temperature, abstention and OOD gate, of phantoms."""
    from freezenet.convert.models import convert
    from freezenet.convert.options import ConvertOptions
    from freezenet.train.run import Run

    def make(home: Path) -> None:
        folder = Path(shutil.copytree(run.folder, home / "run"))
        decision = Run.open(folder).decision_file
        shutil.copyfile(run.folder.parent / decision.name, decision)
        convert(folder, home / "models", options=ConvertOptions(variants=("int8",), acceptance=False))

    return made_once("phone", make) / "models" / "int8.tflite"


@pytest.fixture
def own_models(models, tmp_path) -> Path:
    """A copy of the MODELS folder that a test may change."""
    return Path(shutil.copytree(models, tmp_path / "models"))


@pytest.fixture
def make_key(tmp_path):
    """Make a key of an elliptic curve with OpenSSL; return its private and its public PEM file."""

    def make(name: str = "key", curve: str = "prime256v1") -> tuple[Path, Path]:
        private, public = tmp_path / f"{name}.pem", tmp_path / f"{name}.pub"
        subprocess.run(["openssl", "ecparam", "-name", curve, "-genkey", "-noout", "-out", private], check=True)
        subprocess.run(["openssl", "ec", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
        return private, public

    return make


@pytest.fixture(scope="session")
def half_written() -> Callable[[Path], Path]:
    """A function that leaves half a file as a killed process does, and returns its temporary name."""
    killed = """
import os, signal, sys
from pathlib import Path
from freezenet.edge_runtime.files import write_atomically

def write(temporary):
    temporary.write_bytes(b"half a file")
    print(temporary, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

write_atomically(Path(sys.argv[1]), write)
"""

    def leave(path: Path) -> Path:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", killed, path], env=env, capture_output=True, text=True, timeout=60)
        return Path(done.stdout.strip())

    return leave


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command in this process; return (exit code, stdout, stderr)."""
    from freezenet import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["freezenet", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def dicom() -> Callable[..., bytes]:
    """A function that makes a chest X-ray's DICOM file of pixels (h, w); tags of the value None are left out.

    frame: the pixels as encoded by the test, for a compressed transfer syntax; RLE is encoded by pydicom.
    """

    def make(pixels: np.ndarray, syntax: UID = ExplicitVRLittleEndian, frame: bytes | None = None, **tags) -> bytes:
        bits = 8 * pixels.itemsize
        data = Dataset()
        data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
        data.PatientName, data.Modality, data.BodyPartExamined, data.ViewPosition = "Doe^Jane", "CR", "CHEST", "PA"
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.Rows, data.Columns = pixels.shape
        data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
        data.PixelRepresentation = int(pixels.dtype.kind == "i")
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = syntax
        if frame is not None:
            data.PixelData = encapsulate([frame])
        elif syntax == RLELossless:
            data.compress(syntax, pixels, encoding_plugin="pydicom", generate_instance_uid=False)
        else:
            little = UID(syntax).is_little_endian
            data.PixelData = pixels.astype(pixels.dtype.newbyteorder("<" if little else ">")).tobytes()
        data["PixelData"].VR = "OB" if UID(syntax).is_encapsulated or bits == 8 else "OW"
        for keyword, value in tags.items():
            if value is None:
                delattr(data, keyword)
            else:
                setattr(data, keyword, value)
        stream = io.BytesIO()
        data.save_as(stream, enforce_file_format=True)
        return stream.getvalue()

    return make


@pytest.fixture(scope="session")
def foreign(made_once, phantoms) -> Path:
    """A folder of files that TensorFlow's converter wrote of one small network for the four classes of the phantoms, 48 pixels, -1 to 1.

    model.keras; float32, logits, int8, uint8 (input and output), channels-first, open-batch, open-size, single (one sigmoid), sigmoids and
    sigmoids-int8 (one for each class).
    """
    import keras
    import tensorflow as tf

    def pictures() -> np.ndarray:
        # Of each class some.
        paths = sorted(phantoms.parent.rglob("*.png"))[::9]
        read = [cv2.resize(cv2.imread(str(path)), (48, 48)) for path in paths]
        return (np.array(read, np.float32) - 127.5) / 127.5

    def network(shape: tuple[int | None, ...], batch: int | None = 1) -> keras.Model:
        keras.utils.set_random_seed(5)
        image = keras.Input(shape, batch_size=batch, name="image")
        x = image if shape[-1] == 3 else keras.layers.Permute((2, 3, 1))(image)
        for filters in (8, 16):
            x = keras.layers.Conv2D(filters, 5, strides=2, activation="relu")(x)
        x = keras.layers.Dense(4, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
        return keras.Model(image, keras.layers.Softmax()(x))

    def make(folder: Path) -> None:
        images, model = pictures(), network((48, 48, 3), None)
        features = keras.Model(model.input, model.get_layer("logits").input).predict(images, verbose=0)
        # The class is the nearest of four images that lie far apart, so each is answered, with whatever weights and processor.
        far = [int(np.linalg.norm(features - features.mean(0), axis=1).argmax())]
        while len(far) < 4:
            gaps = [np.linalg.norm(features - features[one], axis=1) for one in far]
            far.append(int(np.min(gaps, axis=0).argmax()))
        anchors = features[far]
        kernel, bias = 2 * (anchors - anchors.mean(0)).T, -(anchors**2).sum(1)
        bias -= bias.mean()
        spread = 2 / (features @ kernel + bias).std(0).mean()
        weights = [*model.get_weights()[:-2], kernel * spread, bias * spread]
        model.set_weights(weights)
        model.save(folder / "model.keras")

        def write(name: str, one: keras.Model, integer: type | None = None) -> None:
            converter = tf.lite.TFLiteConverter.from_keras_model(one)
            if integer is not None:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.representative_dataset = lambda: ([image[None]] for image in images)
                converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
                converter.inference_input_type = converter.inference_output_type = integer
            (folder / f"{name}.tflite").write_bytes(converter.convert())

        fixed, first, size = network((48, 48, 3)), network((3, 48, 48)), network((None, None, 3))
        for one in (fixed, first, size):
            one.set_weights(weights)
        write("float32", fixed)
        write("logits", keras.Model(fixed.input, fixed.get_layer("logits").output))
        write("int8", fixed, tf.int8)
        write("uint8", fixed, tf.uint8)
        write("channels-first", first)
        write("open-batch", model)
        write("open-size", size)
        score = keras.layers.Dense(1, activation="sigmoid", name="score")(fixed.get_layer("logits").output)
        write("single", keras.Model(fixed.input, score))
        several = keras.Model(fixed.input, keras.layers.Activation("sigmoid")(fixed.get_layer("logits").output))
        write("sigmoids", several)
        write("sigmoids-int8", several, tf.int8)

    return made_once("foreign", make)
