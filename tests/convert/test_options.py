from __future__ import annotations

from pathlib import Path

import pytest

from freezenet.convert.options import AcceptanceLimits, ConvertOptions, QatSettings, changed
from freezenet.edge_runtime.errors import SettingError


def test_lists_become_tuples_and_text_a_path():
    found = ConvertOptions(variants=["int8", "float32"], profiles=["app"], data="data/x.csv")
    assert (found.variants, found.profiles, found.data) == (("int8", "float32"), ("app",), Path("data/x.csv"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"variants": ("int8", "int4")}, "Variants of .* are required. Got: int4."),
        ({"profiles": ("phone",)}, "Profiles of edge, app are required. Got: phone."),
        ({"calibration_images": 0}, "Setting calibration_images must be a whole number of at least 1. Got: 0."),
    ],
)
def test_what_cannot_be_is_refused(options, sentence):
    with pytest.raises(SettingError, match=sentence):
        ConvertOptions(**options)


def test_limits_are_changed_by_text():
    assert changed(AcceptanceLimits(), []) == AcceptanceLimits()
    found = changed(AcceptanceLimits(), ["f1_kept=.5", "strict=true"])
    assert found == AcceptanceLimits(f1_kept=0.5, strict=True)
    with pytest.raises(SettingError, match=r"Setting agreement must be a number from 0 to 1\. Got: 1\.5\."):
        changed(AcceptanceLimits(), ["agreement=1.5"])
    with pytest.raises(SettingError, match="Setting strict must be true or false"):
        changed(AcceptanceLimits(), ["strict=1"])


def test_settings_of_the_training_that_contradict_each_other_are_refused():
    with pytest.raises(SettingError, match="clusters must be 0 or at least 4"):
        QatSettings(clusters=3)
    with pytest.raises(SettingError, match="epochs must be at least 2 with a sparsity"):
        QatSettings(sparsity=0.5, epochs=1)
