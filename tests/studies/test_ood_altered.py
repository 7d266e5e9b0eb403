"""The study of changed images shows each of them to the model's own gate, and its changes are what they say."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from freezenet.convert.models import convert
from freezenet.convert.options import ConvertOptions
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import ModelError
from studies.ood_altered import CHANGES, main, measure


@pytest.fixture(scope="module")
def folders(phantoms, tmp_path_factory):
    home = tmp_path_factory.mktemp("altered")
    rng = np.random.default_rng(0)
    for name in ("cxr", "not-cxr"):
        (home / name).mkdir()
    for number, path in enumerate(sorted(phantoms.parent.rglob("*.png"))[:6]):
        (home / "cxr" / f"{number}.png").write_bytes(path.read_bytes())
        cv2.imwrite(str(home / "not-cxr" / f"{number}.png"), rng.integers(0, 256, (96, 96), dtype=np.uint8))
    return home


def test_what_passes_is_what_the_device_lets_pass(deciding_run, folders, tmp_path):
    convert(deciding_run, tmp_path / "models", options=ConvertOptions(variants=("int8",), acceptance=False))
    model = tmp_path / "models" / "int8.tflite"
    arguments = [str(model), "--cxr", str(folders / "cxr"), "--not-cxr", str(folders / "not-cxr")]
    done = CliRunner().invoke(main, [*arguments, "--json", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    (written,) = tmp_path.glob("altered-int8-*.json")
    found = json.loads(written.read_text())
    assert found["images"] == {"cxr": 6, "not_cxr": 6}
    classifier = Classifier(model)
    for name, folder in (("cxr", "cxr"), ("not_cxr", "not-cxr")):
        passed = [classifier.predict(path).chest_xray is not False for path in (folders / folder).iterdir()]
        assert found["passed"][name]["as it is"] == pytest.approx(np.mean(passed), abs=1e-6)
        assert set(found["passed"][name]) == set(CHANGES)


def test_a_file_without_a_gate_is_refused(models, folders):
    with pytest.raises(ModelError, match="OOD gate in its card"):
        measure(models / "int8-app.tflite", folders / "cxr", folders / "not-cxr")


def test_changes():
    gray, rng = np.tile(np.arange(240, dtype=np.uint8), (300, 1)), np.random.default_rng(0)
    assert CHANGES["framed (10 % black)"](gray, rng).shape == (360, 288)
    assert not CHANGES["framed (10 % black)"](gray, rng)[:30].any()
    noisy = CHANGES["noisy (sd 8)"](np.full((300, 300), 128, np.uint8), rng)
    assert noisy.std() == pytest.approx(8, rel=0.03)
    assert CHANGES["224 pixels, JPEG, quality 35"](gray, rng).shape == (224, 224)
    assert (
        np.abs(
            np.diff(CHANGES["blurred (1.2 pixels)"](np.where(gray > 100, 255, 0).astype(np.uint8), rng)[0].astype(int))
        ).max()
        < 128
    )
