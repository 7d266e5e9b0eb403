"""The app's JavaScript with LiteRT.js gives the answers of `freezenet predict`, on drawn and on real pictures."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from freezenet.convert.app import WEB
from freezenet.edge_runtime.classifier import Classifier
from studies.tools import executable
from tests.convert.app.conftest import available

#: What React Native's engine lacks is taken away, and its packager's `require` is there.
AS_REACT_NATIVE = """
for (const name of ["TextDecoder", "DecompressionStream", "Blob", "crypto"]) delete globalThis[name];
globalThis.require = (name) => name;
"""
#: The interpreter's package, which answers what stands in a file.
STUB = """
import { readFileSync } from "node:fs";
const outputs = JSON.parse(readFileSync("outputs.json", "utf8"));
export const loadTensorflowModel = async () => ({
  run: async ([input]) => outputs[input.constructor.name + input.length].map((one) => Float32Array.from(one)),
});
"""


@pytest.fixture
def same_answers(ask, packages):
    """A function: model, files -> the reasons of all answers, which Node and this package give alike."""

    def check(model, files):
        classifier = Classifier(model)
        (answers,) = ask(
            {"task": "answers", "model": str(model), "packages": str(packages), "files": list(map(str, files))}
        )
        assert "error" not in answers, answers
        spec = classifier.card.preprocess
        for file, answer in zip(files, answers, strict=True):
            expected = classifier.predict(file)
            assert (answer["label"], answer["reason"]) == (expected.label, expected.reason), file
            assert answer["scores"] == classifier.scores(spec.pixels(file)[None])[0].tolist(), file
            np.testing.assert_allclose(answer["probabilities"], list(expected.probabilities.values()), atol=1e-9)
        return {answer["reason"] for answer in answers}

    return check


def test_phantoms(same_answers, phone_model, phantoms):
    assert None in same_answers(phone_model, sorted(phantoms.parent.rglob("*.png"))[::8])


def test_xrays_and_other_pictures(same_answers, phone_model, shared):
    """60 chest X-rays and 20 other pictures, as they lie in the folders."""
    xrays = sorted((shared / "data" / "cxr").rglob("*.jpg"))
    others = sorted((shared / "data" / "not-cxr").rglob("*.jpg"))
    assert "not a chest X-ray" in same_answers(phone_model, [*xrays[:: len(xrays) // 60][:60], *others[::7][:20]])


def test_the_react_native_code_in_the_documentation(phone_model, phantoms, tmp_path):
    """As it stands in docs/phone.md, in an engine without DOM; the network's outputs are this package's."""
    node = available(lambda: executable(("node",), "nodejs"))
    document = (Path(__file__).parents[3] / "docs" / "phone.md").read_text(encoding="utf-8")
    code = re.search(r"```js\n(import \{ loadTensorflowModel .*?)```", document, re.S)[1]
    gray = cv2.imread(str(min(phantoms.parent.rglob("*.png"))), cv2.IMREAD_GRAYSCALE)
    jpeg = cv2.imencode(".jpg", gray)[1].tobytes()
    classifier = Classifier(phone_model)
    spec, content = classifier.card.preprocess, classifier.card.content
    tensor = spec.network_input(spec.pixels(jpeg), np.uint8)
    outputs = [one.ravel().tolist() for one in classifier.interpreter.invoke(tensor)]
    (tmp_path / "outputs.json").write_text(json.dumps({f"Uint8Array{tensor.size}": outputs}))
    (tmp_path / "card.json").write_text(json.dumps(content))
    (tmp_path / "package.json").write_text('{"type": "module"}')
    package = tmp_path / "node_modules" / "react-native-fast-tflite"
    package.mkdir(parents=True)
    (package / "index.js").write_text(STUB)
    (package / "package.json").write_text('{"type": "module", "main": "index.js"}')
    for name in ("core.js", "jpeg.js", "exif.js"):
        shutil.copyfile(WEB / name, tmp_path / name)
    (tmp_path / "before.js").write_text(f'{AS_REACT_NATIVE}globalThis.base64 = "{base64.b64encode(jpeg).decode()}";')
    # Metro reads JSON without being told that it is.
    code = code.replace('"./card.json";', '"./card.json" with { type: "json" };')
    (tmp_path / "app.js").write_text(f'import "./before.js";\n{code}\nconsole.log(JSON.stringify(answer));')
    done = subprocess.run([node, "app.js"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    found, expected = json.loads(done.stdout), classifier.predict(jpeg)
    assert (found["label"], found["reason"]) == (expected.label, expected.reason)
    np.testing.assert_allclose(found["probabilities"], list(expected.probabilities.values()), atol=1e-9)
