"""In a folder whose files bear the names of floors, and of modules of the standard library, every verb works."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freezenet.cli import VERBS

ROOT = Path(__file__).resolve().parents[1]
SHADOWS = ("benchmarks", "train", "convert", "pipeline", "edge_runtime", "studies", "numbers", "queue", "typing")
#: The command as pip installs it, and as a module, for which Python puts the current folder on the path before all else.
STARTS = {
    "freezenet": [str(Path(sys.executable).with_name("freezenet"))],
    "python -m freezenet": [sys.executable, "-m", "freezenet"],
}
SETTINGS = "--weights none --set alpha=0.05 --set image_size=32 --set epochs=1 --set freeze_fraction=0.9"
TINY = f"--recipe phantoms {SETTINGS}"
#: What makes the files that other verbs read, in this order. {out} is a folder of its own for each way to start.
MAKERS = {
    "train": f"train data/phantoms.csv --out {{out}}/run {TINY}",
    "convert": "convert {out}/run --out {out}/models --variants {variants} --no-acceptance --calibration-images 8",
}
#: Quantization-aware training once: its process is started the same way by both.
VARIANTS = {"freezenet": "float32", "python -m freezenet": "float32,int8,int8-qat --qat epochs=1"}
#: Name of a case -> its arguments; `$` stands for what MAKERS made.
CASES = {
    "data": "data data/phantoms.csv",
    "audit": "audit data/phantoms.csv --weights none --image-size 32 --folds 2",
    "recipes": "recipes",
    "crossval": f"crossval data/phantoms.csv --out {{out}}/crossval --folds 2 --recipes phantoms {SETTINGS}",
    "evaluate": "evaluate $/models/int8.tflite data/phantoms.csv",
    "compare": "compare $/models",
    "benchmark": "benchmark $/models/int8.tflite --runs 20",
    "localize": "localize $/models/int8.tflite clinic/changed.csv --target prevalence=Clear:0.5",
    "predict": "predict $/models/int8.tflite data --json",
    "watch": "watch $/models/int8.tflite {out}/inbox --out {out}/outbox --once --settle 0",
    "screen": "screen $/models/int8.tflite data --out {out}/screened --workers 1",
    "inspect": "inspect $/models/int8-qat.tflite",
    "verify": "verify $/models/int8.tflite",
    "checklist": "checklist $/run --standard model-card",
    "doctor": "doctor",
    "sign": "sign {out}/signed --key key.pem",
    "export-hub": "export-hub $/models {out}/hub",
    "export-app": "export-app $/models/int8.tflite {out}/app --android",
    "pipeline": f"pipeline data/phantoms.csv --out {{out}}/pipeline {TINY} --variants float32 --no-acceptance --no-audit",
}
#: Verbs that load TensorFlow take seconds to start; what they import lies in one process, the same for both ways to start.
ONCE = {"crossval", "evaluate", "localize", "compare", "export-hub", "export-app", "data", "audit", "pipeline"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, with_changed_rows) -> Path:
    """The user's folder: files that raise, a data set, a key."""
    from freezenet.train.data.phantoms import write_phantoms

    folder = tmp_path_factory.mktemp("shadows")
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(
            f"raise RuntimeError('the file {name}.py of the current folder was imported')\n"
        )
    write_phantoms(folder / "data", scale=0.05, size=48)
    # Images and people of a clinic that took no part in a training, for `localize`.
    drawn = write_phantoms(tmp_path_factory.mktemp("drawn") / "data", scale=0.05, size=48, seed=1)
    with_changed_rows(drawn, folder / "clinic", lambda _, row: row | {"patient_id": f"clinic-{row['patient_id']}"})
    key = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / "key.pem")]
    subprocess.run(key, check=True)
    return folder


def environment() -> dict[str, str]:
    """This process's, without what would put a folder on the path."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONSAFEPATH")}


@pytest.fixture(scope="module")
def say(folder) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function (start, arguments) that runs the command in the user's folder; it must succeed."""

    def run(start: str, arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*STARTS[start], *arguments.split()],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert "Traceback" not in done.stderr and "was imported" not in done.stdout + done.stderr
        return done

    return run


def home(start: str) -> str:
    return "module" if "-m" in start else "script"


@pytest.fixture(scope="module")
def made(say, folder) -> Callable[[str], str]:
    """A function (start) -> the folder in which that way to start trained and converted; each does once."""
    finished: dict[str, str] = {}

    def make(start: str) -> str:
        if start not in finished:
            for arguments in MAKERS.values():
                say(start, arguments.format(out=home(start), variants=VARIANTS[start]))
            finished[start] = home(start)
        return finished[start]

    return make


def test_every_verb_is_tried():
    tried = {*MAKERS, *CASES, "serve", "dicom-node"}
    # A pipeline on phantoms that it draws itself, too long for a test; and wheels, which an index must give.
    assert tried == set(VERBS) - {"demo", "bundle"}


def test_the_files_would_be_imported_where_nothing_is_done_against_it(folder):
    done = subprocess.run(
        [sys.executable, "-c", "import queue"], cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert "queue.py of the current folder was imported" in done.stderr


@pytest.mark.parametrize("start", STARTS)
def test_train_and_convert(made, folder, start):
    models = folder / made(start) / "models"
    wanted = {f"{name}.tflite" for name in VARIANTS[start].split()[0].split(",")}
    assert wanted == {path.name for path in models.glob("*.tflite")}


@pytest.mark.parametrize(
    ("start", "verb"),
    [(start, verb) for verb in CASES for start in STARTS if start == "python -m freezenet" or verb not in ONCE],
)
def test_a_verb(made, say, folder, start, verb):
    out, first = folder / home(start), "python -m freezenet"
    if "$" in CASES[verb] or verb == "sign":
        models = folder / made(first) / "models"
    out.mkdir(exist_ok=True)
    if verb == "sign":
        shutil.copytree(models, out / "signed")
    if verb == "pipeline":  # goes on with the trained run
        shutil.copytree(folder / made(first) / "run", out / "pipeline" / "run")
        (out / "pipeline" / ".freezenet").touch()
    if verb == "watch":
        (out / "inbox").mkdir()
        shutil.copyfile(next((folder / "data").rglob("*.png")), out / "inbox" / "chest.png")
    done = say(start, CASES[verb].replace("$", home(first)).format(out=home(start)))
    assert done.stdout or verb == "sign"
    wanted = {
        "watch": "outbox/chest.png.json", "sign": "signed/model.sig", "pipeline": "pipeline/report.html", "export-hub": "hub/README.md",
        "crossval": "crossval/crossval.json",
    }.get(verb)  # fmt: skip
    assert wanted is None or (out / wanted).is_file(), sorted(path.name for path in (out / wanted).parent.iterdir())


@pytest.fixture
def started(folder) -> Iterator[Callable[..., tuple[subprocess.Popen[str], list[str]]]]:
    """A function (start, arguments, ready) -> (process, what it said so far) of a server that says `ready`."""
    processes = []

    def serve(start: str, arguments: str, ready: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [*STARTS[start], *arguments.split()], cwd=folder, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip
        processes.append(process)
        said = ""
        for line in process.stderr:
            said += line
            if re.search(ready, line):
                return process, line
        pytest.fail(said)

    yield serve
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("start", STARTS)
def test_serve(made, started, start):
    model = f"{made('python -m freezenet')}/models/int8.tflite"
    process, line = started(start, f"serve {model} --port 0", r"Ready: ")
    address = re.search(r"Ready: (http://\S+) answers", line)[1]
    with urllib.request.urlopen(f"{address}/healthz", timeout=30) as reply:
        assert reply.status == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


@pytest.mark.parametrize("start", STARTS)
def test_dicom_node(made, started, start):
    from pynetdicom import AE
    from pynetdicom.sop_class import Verification

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    model = f"{made('python -m freezenet')}/models/int8.tflite"
    process, _ = started(start, f"dicom-node {model} --aet NODE --port {port} --out {home(start)}/node", "listens on")
    client = AE("CLIENT")
    client.add_requested_context(Verification)
    association = client.associate("127.0.0.1", port, ae_title="NODE")
    assert association.is_established and association.send_c_echo().Status == 0
    association.release()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_beside_the_clone_it_is_still_the_package(tmp_path):
    """The folder that holds a clone has a folder `freezenet` without a module in it, which must not pass for the package."""
    (tmp_path / "freezenet").mkdir()
    code = "from freezenet import Classifier; print(Classifier.__name__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.stdout == "Classifier\n", done.stderr
