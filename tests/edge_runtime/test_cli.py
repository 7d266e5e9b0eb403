"""predict, inspect, verify and doctor as a user calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from freezenet.cli import cli
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError, RefusedError


def invoke(*arguments, **options):
    return CliRunner().invoke(cli, [str(one) for one in arguments], **options)


def process(*arguments, **options) -> subprocess.CompletedProcess:
    """Run the command in a process of its own, as text unless told otherwise."""
    done = subprocess.run(
        [sys.executable, "-m", "freezenet", *map(str, arguments)],
        capture_output=True,
        cwd=Path(__file__).resolve().parents[2],
        timeout=120,
        **{"text": True, **options},
    )
    assert "Traceback" not in (done.stderr if isinstance(done.stderr, str) else done.stderr.decode())
    return done


@pytest.fixture
def int8(models) -> Path:
    return models / "int8.tflite"


@pytest.fixture
def images(phantoms) -> list[Path]:
    return sorted(phantoms.parent.rglob("*.png"))[::50][:3]


@pytest.fixture
def folder(images, tmp_path) -> Path:
    """A good image, a text file named .jpg, another good image, and a file that is no image by its name."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.png").write_bytes(images[0].read_bytes())
    (tmp_path / "inbox" / "b.jpg").write_text("this is text")
    (tmp_path / "inbox" / "c.png").write_bytes(images[1].read_bytes())
    (tmp_path / "inbox" / "readme.txt").write_text("not looked at")
    return tmp_path / "inbox"


# ---- predict


def test_predict_prints_a_line_for_each_file_in_order(int8, images):
    done = invoke("predict", int8, *images)
    assert done.exit_code == 0
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == [str(image) for image in images]
    classifier = Classifier(int8)
    assert [line[1] for line in lines] == [classifier.predict(image).label for image in images]


def test_predict_json_is_the_prediction_of_the_library(int8, images):
    done = invoke("predict", int8, *images, "--json")
    assert done.exit_code == 0
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    classifier = Classifier(int8)
    for image, answer in zip(images, answers, strict=True):
        expected = classifier.predict(image).to_dict()
        assert answer["file"] == str(image)
        assert answer["label"] == expected["label"]
        assert answer["probabilities"] == expected["probabilities"]
        assert list(answer["timings_ms"]) == ["decode", "preprocess", "invoke"]
        assert (answer["model"], answer["runtime"]) == ("int8.tflite", classifier.runtime)


def test_predict_reads_standard_input(int8, images):
    done = invoke("predict", int8, "-", "--json", input=images[0].read_bytes())
    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    assert answer["file"] == "-"
    assert answer["probabilities"] == Classifier(int8).predict(images[0]).to_dict()["probabilities"]


def without_times(output: str) -> list[dict]:
    found = [{**json.loads(line), "timings_ms": None} for line in output.splitlines()]
    for one in found:
        one.get("trace", {}).pop("time", None)
    return found


def test_workers_do_not_change_the_output(int8, images, folder, tmp_path):
    data = images[0].read_bytes()
    arguments = ["predict", int8, folder, "-", images[2], images[0], "--json", "--cam", tmp_path / "cams"]
    one, three, chosen = (
        invoke(*arguments, *workers, input=data) for workers in (["--workers", 1], ["--workers", 3], [])
    )
    assert without_times(one.stdout) == without_times(three.stdout) == without_times(chosen.stdout)
    assert one.stderr == three.stderr == chosen.stderr
    assert len(one.stdout.splitlines()) == 6
    assert one.exit_code == three.exit_code == chosen.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "cores", "expected"),
    [
        (["image"], 4, 1),
        (["image", "image"], 4, 4),
        (["folder"], 4, 4),
        (["folder"], 1, 1),
        (["folder", "--threads", "2"], 4, 2),
        (["folder", "--threads", "8"], 4, 1),
        (["folder", "--workers", "3"], 1, 3),
        (["image", "--workers", "3"], 4, 3),
    ],
)
def test_the_number_of_workers(int8, images, folder, monkeypatch, arguments, cores, expected):
    from freezenet.edge_runtime import batch

    chosen, predict_all = [], batch.predict_all

    def watched(classifier, named, *, workers, overlay, photo):
        chosen.append(workers)
        return predict_all(classifier, named, workers=1, overlay=overlay, photo=photo)

    monkeypatch.setattr(batch, "predict_all", watched)
    monkeypatch.setattr(batch, "available_cores", lambda: cores)
    invoke("predict", int8, *({"image": images[0], "folder": folder}.get(one, one) for one in arguments))
    assert chosen == [expected]


def test_one_image_loads_nothing_for_workers(int8, images):
    code = (
        "import sys; from freezenet.cli import cli; "
        f"cli.main(['predict', {str(int8)!r}, {str(images[0])!r}], standalone_mode=False); "
        "assert 'concurrent.futures' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, cwd=Path(__file__).resolve().parents[2]
    )


def test_predict_says_that_standard_input_is_empty(int8):
    done = invoke("predict", int8, "-", input=b"")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("-: An image file is required. Got: an empty file")


def test_a_bad_file_among_good_ones_does_not_stop_them(int8, folder):
    done = invoke("predict", int8, folder, folder / "none.png", "--json")
    assert done.exit_code == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(answer["file"]).name for answer in answers] == ["a.png", "b.jpg", "c.png", "none.png"]
    assert [set(answer) == {"file", "error"} for answer in answers] == [False, True, False, True]
    assert "cannot be decoded" in answers[1]["error"]
    assert "no such file" in answers[3]["error"]
    for bad in (answers[1], answers[3]):
        assert f"{bad['file']}: {bad['error']}" in done.stderr.splitlines()


def test_without_json_only_answers_go_to_stdout(int8, folder):
    done = invoke("predict", int8, folder)
    assert done.exit_code == 1
    assert [Path(line.split("\t")[0]).name for line in done.stdout.splitlines()] == ["a.png", "c.png"]
    assert "b.jpg: " in done.stderr


@pytest.mark.parametrize("verb", ["predict", "verify", "inspect"])
def test_a_missing_model_a_folder_and_a_foreign_file_are_refused(verb, models, images):
    rest = [images[0]] if verb == "predict" else []
    for model, said in (
        (models / "none.tflite", "does not exist"),
        # verify takes a folder of models.
        (images[0].parent if verb == "verify" else models, "a folder"),
        (images[0], "another format"),
    ):
        done = invoke(verb, model, *rest)
        assert isinstance(done.exception, FreezenetError)
        assert said in str(done.exception)
        assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments", [["predict", "m.tflite"], ["predict", "m.tflite", "i.png", "--threads", "0"], ["verify"],
                  ["predict", "m.tflite", "i.png", "--workers", "0"],
                  ["predict", "m.tflite", "i.png", "--runtime", "onnx"], ["predict", "--none"], ["nonsense"]]
)  # fmt: skip
def test_wrong_usage_is_exit_2(arguments):
    assert invoke(*arguments).exit_code == 2


def test_predict_in_a_process_answers_the_good_and_exits_1(int8, folder):
    done = process("predict", int8, folder, "--json")
    assert done.returncode == 1
    assert ["error" in json.loads(line) for line in done.stdout.splitlines()] == [False, True, False]
    assert f"{folder / 'b.jpg'}: " in done.stderr


def test_predict_in_a_process_reads_a_pipe(int8, images):
    done = process("predict", int8, "-", input=images[0].read_bytes(), text=False)
    assert done.returncode == 0
    assert done.stdout.decode().split("\t")[:2] == ["-", Classifier(int8).predict(images[0]).label]


def test_failures_in_a_process_are_one_sentence_and_exit_1(models, images, tmp_path):
    for arguments, said in (
        (("predict", models / "none.tflite", images[0]), "does not exist"),
        (("predict", models, images[0]), "a folder; name a file in it"),
        (("verify", images[0]), "a file of another format"),
    ):
        done = process(*arguments)
        assert done.returncode == 1
        assert done.stdout == ""
        last = done.stderr.splitlines()[-1]
        assert last.startswith("Error: ")
        assert said in last


def test_an_empty_folder_does_not_stop_the_rest(int8, images, tmp_path):
    (tmp_path / "no-images").mkdir()
    done = process("predict", int8, tmp_path / "no-images", images[0], "--json")
    assert done.returncode == 1
    empty, good = map(json.loads, done.stdout.splitlines())
    assert "no image file was found" in empty["error"]
    assert good["label"] == Classifier(int8).predict(images[0]).label


@pytest.mark.skipif(os.name != "posix", reason="only POSIX file names can be no text")
def test_a_file_name_that_is_no_text_is_answered(int8, images, tmp_path):
    name = os.fsencode(tmp_path) + b"/x-\xff.png"
    with open(name, "wb") as file:
        file.write(images[0].read_bytes())
    for flags in ([], ["--json"]):
        done = process(
            "predict", int8, os.fsdecode(name), *flags, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
        )
        assert done.returncode == 0, done.stderr
        assert Classifier(int8).predict(images[0]).label in done.stdout


# ---- inspect


def test_inspect_json_holds_the_card_and_the_tensors(int8):
    done = invoke("inspect", int8, "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    classifier = Classifier(int8)
    assert found["card"] == classifier.card.content
    assert found["bytes"] == len(int8.read_bytes())
    (one,) = found["inputs"]
    assert one["dtype"] == "uint8"
    assert one["shape"] == [1, *classifier.card.preprocess.size, 3]
    # The model's own input scale undoes the normalization: (pixel - zero) * scale = (pixel - mean) / std.
    assert one["quantization"] == [pytest.approx(1 / 127.5), 128]
    assert found["outputs"][0]["shape"] == [1, len(classifier.card.labels)]


def test_inspect_prints_what_a_person_asks_for(models, run):
    for model in sorted(models.glob("*.tflite")):
        done = invoke("inspect", model)
        assert done.exit_code == 0
        assert f"{model.name}: variant {model.stem.removesuffix('-app')}," in done.stdout
        assert ", ".join(run.labels) in done.stdout
        assert "golden" in done.stdout
        assert "not a medical device" in done.stdout


@pytest.mark.parametrize("outcome", ["refused", "undecided"])
def test_inspect_tells_what_acceptance_found(int8, with_card, outcome):
    def change(content):
        content["against_keras"].update({"refused": None, "undecided": None, outcome: "the reason"})

    assert f"acceptance  {outcome}: the reason\n" in invoke("inspect", with_card(int8, change)).stdout


@pytest.mark.parametrize("sentence", ["COVID was learned from one source alone.", ""])
def test_inspect_says_what_is_not_shown_elsewhere(int8, with_card, sentence):
    def change(content):
        content["sources"] = {"validation": {}, "test": {}, "one_source_only": {}, "elsewhere": sentence}

    lines = invoke("inspect", with_card(int8, change)).stdout.splitlines()
    assert [line for line in lines if line.startswith("elsewhere")] == ([f"elsewhere   {sentence}"] if sentence else [])


@pytest.mark.parametrize("verdict", ["The class can be told from the stored size.", ""])
def test_inspect_says_what_an_audit_of_the_data_found(int8, with_card, verdict):
    def change(content):
        if verdict:
            content["audit"] = {"images": 9, "verdict": verdict, "flags": ["stored_size"]}

    lines = invoke("inspect", with_card(int8, change)).stdout.splitlines()
    assert [line for line in lines if line.startswith("audit")] == ([f"audit       {verdict}"] if verdict else [])


def test_inspect_tells_the_threshold_of_a_class(int8, with_card):
    def change(content):
        content["confidence"] = {
            "temperature": 1.5,
            "abstain_below": 0.75,
            "abstain_below_class": {content["labels"][1]: 0.875},
            "risk": 0.02,
            "images": 91,
        }

    label = Classifier(int8).card.labels[1]
    assert f"            {label}: uncertain below 0.875\n" in invoke("inspect", with_card(int8, change)).stdout


def test_inspect_tells_the_whole_rule(int8, with_card):
    """As a localized file holds it: one class is answered from a low probability on and never in doubt."""
    first, second, *others = Classifier(int8).card.labels

    def change(content):
        content["confidence"] = {
            "temperature": 1.5,
            "abstain_below": 0.75,
            "bias": {first: 2.035656, second: -2.85892},
            "abstain_below_class": {first: 0.0, second: 0.875},
            "answer_from": {first: 0.009769},
            "risk": 0.02,
            "images": 91,
        }

    lines = invoke("inspect", with_card(int8, change)).stdout.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.startswith("confidence")]
    rest = ", ".join(f"{label} +0.00" for label in others)
    bias = f"bias {first} +2.04, {second} -2.86, {rest}"
    assert lines[at].startswith(f"confidence  temperature 1.5; {bias}; says uncertain below 0.750, chosen for")
    assert lines[at + 1 : at + 3 + len(others)] == [
        f"            {first}: answered from a probability of 0.0098 on, whatever is more probable, and below it never; uncertain never",
        f"            {second}: uncertain below 0.875",
        *(f"            {label}: uncertain below 0.750" for label in others),
    ]


# ---- verify


@pytest.mark.parametrize("variant", ["float32", "float16", "dynamic", "int8"])
def test_verify_passes_on_every_variant(models, variant):
    done = invoke("verify", models / f"{variant}.tflite")
    assert done.exit_code == 0
    vectors = len(Classifier(models / f"{variant}.tflite").card.golden)
    assert f"{vectors} of {vectors} inputs and {vectors} labels equal" in done.stdout


def test_verify_json_parses_and_holds_the_verdict(int8, with_card):
    assert json.loads(invoke("verify", int8, "--json").stdout)["passed"] is True
    changed = with_card(int8, alter_score)
    done = invoke("verify", changed, "--json")
    assert json.loads(done.stdout)["passed"] is False
    assert isinstance(done.exception, RefusedError)


def alter_score(card: dict) -> None:
    scores = card["golden"]["vectors"][0]["scores"]
    scores[max(scores, key=scores.get)] += 0.05


def alter_hash(card: dict) -> None:
    card["golden"]["vectors"][-1]["pixels_sha256"] = "f" * 64


@pytest.mark.parametrize("change", [alter_score, alter_hash])
def test_verify_of_a_changed_model_is_exit_3(int8, with_card, change):
    done = process("verify", with_card(int8, change))
    assert done.returncode == 3
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: The promised numbers are required. Got: ")


def test_verify_of_a_sound_model_is_exit_0_in_a_process(int8):
    done = process("verify", int8)
    assert done.returncode == 0
    assert done.stdout.startswith("int8.tflite on ")


# ---- doctor and the command itself


def test_doctor_json_is_the_environment_with_the_interpreter():
    from freezenet.edge_runtime.interpreter import installed_runtime
    from freezenet.edge_runtime.system.environment import environment

    done = invoke("doctor", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {**environment(), "interpreter": installed_runtime()}


def test_doctor_prints_a_line_for_each_fact():
    from freezenet.edge_runtime.system.environment import environment

    done = invoke("doctor")
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [*environment(), "interpreter"]


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_doctor_without_an_interpreter_says_how_to_get_one(monkeypatch, flags):
    monkeypatch.setattr("freezenet.edge_runtime.interpreter.find_spec", lambda name: None)
    done = invoke("doctor", *flags)
    assert done.exit_code == 1
    assert "pip install ai-edge-litert" in done.stderr
    assert "numpy" in done.stdout


def test_version_is_the_installed_one():
    from importlib.metadata import version

    done = process("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"freezenet {version('freezenet')}")


def test_wrong_usage_in_a_process_is_exit_2_without_a_traceback():
    done = process("predict")
    assert done.returncode == 2
    assert "Missing argument" in done.stderr


def test_names_that_no_terminal_prints_and_one_too_long_for_its_overlay_stop_nobody(models, phantoms, tmp_path):
    image = next(phantoms.parent.rglob("*.png")).read_bytes()
    names = ["a\nb", "c\x1b[31md", "e\u202ef", os.fsdecode(b"g\xff"), "n" * 249 + ".png", "z.png"]
    (tmp_path / "in").mkdir()
    for name in names:
        (tmp_path / "in" / name).write_bytes(image)
    arguments = [tmp_path / "in" / name for name in names]
    command = [sys.executable, "-m", "freezenet", "predict", str(models / "int8.tflite"), *map(str, arguments), "--cam",
               str(tmp_path / "cam")]  # fmt: skip
    for encoding in ("utf-8", "ascii"):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        done = subprocess.run(command, capture_output=True, check=False, env=environment)
        assert done.returncode == 1
        assert len(done.stdout.splitlines()) == len(names) - 1
        assert done.stdout.isascii() and b"\x1b" not in done.stdout
        assert b"a\\nb\t" in done.stdout and b"g\\udcff\t" in done.stdout and b"z.png\t" in done.stdout
        (said,) = done.stderr.splitlines()
        assert b"A name that the file system can hold with .cam.png behind it is required." in said
    assert len(list((tmp_path / "cam").iterdir())) == len(names) - 1
