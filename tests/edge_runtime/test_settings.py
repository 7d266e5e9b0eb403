"""Settings: what a field may hold stands at the field, and what it may not is refused in one sentence."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from freezenet.edge_runtime.errors import FreezenetError, SettingError
from freezenet.edge_runtime.settings import Settings, setting


def positive(value):
    if not value > 0:
        raise ValueError
    return value


@dataclass(frozen=True)
class Numbers(Settings):
    share: float = setting(0.5, low=0, high=1, help="Of all.")
    count: int = setting(3, low=1, high=10**9)
    std: float = setting(1.0, low=1e-6)
    loss: str = setting("focal", choices=("focal", "attention"))
    flip: bool = False
    units: tuple[int, ...] = setting((), low=1, high=64)
    classes: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    folder: Path | None = None
    limit: float | None = setting(None, high=9)
    secret: str = setting("", repr=False)
    odd: tuple[float, ...] | dict[str, float] | int = setting(1, convert=positive, expected="a positive thing")


@dataclass(frozen=True)
class Many(Settings):
    noun: ClassVar[str] = "Recipe key"
    epochs: int = 1
    b: int = 1
    c: int = 1
    d: int = 1
    e: int = 1
    f: int = 1
    g: int = 1
    h: int = 1
    i: int = 1
    j: int = 1
    k: int = 1
    m: int = 1
    n: int = 1


def test_values_come_to_their_types():
    found = Numbers(share="1", std=2, units=[1, 2], weights=[1, ".5"], folder=Path("x"), limit=-3)
    assert (found.share, found.std, found.units, found.weights, found.folder, found.limit) == (
        1.0, 2.0, (1, 2), (1.0, 0.5), Path("x"), -3.0,
    )  # fmt: skip
    assert all(type(one) is float for one in (found.share, found.std, found.limit, *found.weights))
    assert Numbers(limit=None).limit is None
    assert Numbers(share=np.float64(0.25)).share == 0.25
    assert "secret" not in repr(Numbers(secret="hidden")) and "hidden" not in repr(Numbers(secret="hidden"))


def test_a_copy_with_other_settings():
    before = Numbers(flip=True)
    after = before.with_settings({"share": ".25", "loss": "attention"})
    assert (after.share, after.loss, after.flip, after.count) == (0.25, "attention", True, 3)
    assert before == Numbers(flip=True) and before.with_settings({}) == before
    with pytest.raises(FrozenInstanceError):
        after.share = 1


def test_a_setting_can_be_asked_about():
    rule = Numbers.rule("share")
    assert (rule.low, rule.high, rule.help, Numbers.rule("loss").choices) == (0, 1, "Of all.", ("focal", "attention"))
    assert Numbers.kind("share") == (float, False) and Numbers.kind("folder") == (Path, True)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("share", 1.01, "share must be a number from 0 to 1. Got: 1.01."),
        ("share", float("nan"), "share must be a number from 0 to 1. Got: nan."),
        ("share", "much", "share must be a number from 0 to 1. Got: 'much'."),
        ("share", True, "share must be a number from 0 to 1. Got: True."),
        ("share", None, "share must be a number from 0 to 1. Got: None."),
        ("share", [1], "share must be a number from 0 to 1. Got: [1]."),
        ("count", 2.0, "count must be a whole number from 1 to 1000000000. Got: 2.0."),
        ("count", "2", "count must be a whole number from 1 to 1000000000. Got: '2'."),
        ("count", 0, "count must be a whole number from 1 to 1000000000. Got: 0."),
        ("std", 0, "std must be a number of at least 1e-06. Got: 0."),
        ("std", "inf", "std must be a number of at least 1e-06. Got: 'inf'."),
        ("limit", 10, "limit must be a number of at most 9. Got: 10."),
        ("loss", "focl", "loss must be one of focal, attention. Got: 'focl'. Did you mean focal?"),
        ("loss", 3, "loss must be one of focal, attention. Got: 3."),
        ("flip", 1, "flip must be true or false. Got: 1."),
        ("flip", "yes", "flip must be true or false. Got: 'yes'."),
        ("units", [0], "units must be a list of whole numbers from 1 to 64 such as [256, 64]. Got: [0]."),
        ("units", 3, "units must be a list of whole numbers from 1 to 64 such as [256, 64]. Got: 3."),
        ("classes", "AB", 'classes must be a list of words such as ["COVID", "Normal"]. Got: \'AB\'.'),
        ("classes", [1], 'classes must be a list of words such as ["COVID", "Normal"]. Got: [1].'),
        ("weights", ["a"], "weights must be a list of numbers such as [0.5, 1.5]. Got: ['a']."),
        ("folder", 3, "folder must be of type Path. Got: 3."),
        ("odd", -1, "odd must be a positive thing. Got: -1."),
        ("odd", "a", "odd must be a positive thing. Got: 'a'."),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(name, value, sentence):
    for make in (lambda: Numbers(**{name: value}), lambda: Numbers().with_settings({name: value})):
        with pytest.raises(SettingError) as caught:
            make()
        assert str(caught.value) == f"Setting {sentence}"
        assert isinstance(caught.value, FreezenetError) and isinstance(caught.value, ValueError)


def test_a_name_that_is_not_known():
    with pytest.raises(SettingError) as caught:
        Numbers().with_settings({"shares": 1})
    assert str(caught.value) == (
        "A setting of share, count, std, loss, flip, units, classes, weights, folder, limit, secret, odd is required. "
        "Got: 'shares'. Did you mean share?"
    )
    with pytest.raises(SettingError) as caught:
        Many().with_settings({"epoch": 1})
    assert str(caught.value) == ("A recipe key is required. Got: 'epoch'. Did you mean epochs?")
    with pytest.raises(SettingError, match=r"^Recipe key epochs must be a whole number\. Got: 'x'\.$"):
        Many(epochs="x")
