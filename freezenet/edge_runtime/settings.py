"""Settings: frozen dataclasses whose fields declare what they may hold.

    @dataclass(frozen=True)
    class Training(Settings):
        epochs: int = setting(30, low=1, high=1000, help="Passes over the training images.")
        loss: str = setting("focal", choices=("focal", "attention"))

    Training().with_settings({"epochs": 3})

Values are checked whenever an object is made: in Python, from the command line and from a file alike.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.names import meant

_Made = TypeVar("_Made", bound="Settings")

#: More names than this stand at the end of a sentence, where they do not part its beginning from its end.
_FEW = 12
_KINDS: dict[type, str] = {int: "whole number", float: "number", str: "word", bool: "true or false"}
_EXAMPLES: dict[type, str] = {str: '["COVID", "Normal"]', int: "[256, 64]", float: "[0.5, 1.5]"}


@dataclass(frozen=True)
class Rule:
    """What one setting may hold.

    Args:
        low: Lowest number allowed, or None.
        high: Highest number allowed, or None.
        choices: The values allowed, or () for any.
        help: What the setting does, in one sentence, for people.
        convert: Function that returns the value to keep, or raises ValueError or TypeError; in place of all other checks.
        expected: What `convert` takes, as it follows "must be".
    """

    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    help: str = ""
    convert: Callable[[Any], Any] | None = None
    expected: str = ""


def setting(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Any, ...] = (),
    help: str = "",
    convert: Callable[[Any], Any] | None = None,
    expected: str = "",
    repr: bool = True,
) -> Any:
    """Declare a field of a `Settings` class.

    Args:
        default: The value where nothing is set.
        low: Lowest number allowed, itself included; of each item where the setting is a list.
        high: Highest number allowed, itself included.
        choices: The values allowed; of each item where the setting is a list.
        help: What the setting does, in one sentence.
        convert: Function that returns the value to keep, or raises ValueError or TypeError, for what no type says.
        expected: What `convert` takes, as it follows "must be" in a sentence.
        repr: Whether the value may be shown; False for secrets.
    """
    return field(
        default=default, repr=repr, metadata={"rule": Rule(low, high, tuple(choices), help, convert, expected)}
    )


@dataclass(frozen=True)
class Settings:
    """A group of settings, checked when it is made; subclasses declare the fields with `setting`.

    Types are int, float, str, bool, tuples of them, X | None, or any class. Whole numbers and text such as ".35" count as
    floats, lists as tuples; a float is finite. `noun` is what a sentence calls one of the settings.
    """

    noun: ClassVar[str] = "Setting"

    def __post_init__(self) -> None:
        """Bring each value to its type; raise SettingError where it is of another, beyond its limits or no choice."""
        for one in fields(self):
            object.__setattr__(self, one.name, self._checked(one.name, getattr(self, one.name)))

    def with_settings(self: _Made, settings: Mapping[str, Any]) -> _Made:
        """Return a copy with some settings changed.

        Args:
            settings: Name to value.

        Raises:
            SettingError: A name is not known, or a value is not possible.
        """
        names = [one.name for one in fields(self)]
        for name in settings:
            if name not in names:
                raise SettingError(self._unknown(name, names))
        return replace(self, **settings)

    @classmethod
    def rule(cls, name: str) -> Rule:
        """Return what the setting of that name may hold."""
        return next((one.metadata.get("rule", Rule()) for one in fields(cls) if one.name == name), Rule())

    @classmethod
    def kind(cls, name: str) -> tuple[Any, bool]:
        """Return the type of the setting of that name, and whether None is allowed, too."""
        hint = _hints(cls)[name]  # type: ignore[arg-type]  # classes are hashable
        if get_origin(hint) in (Union, types.UnionType):
            kinds = [one for one in get_args(hint) if one is not type(None)]
            return (kinds[0] if len(kinds) == 1 else object), type(None) in get_args(hint)
        return hint, False

    def _checked(self, name: str, value: Any) -> Any:
        rule, (kind, optional) = self.rule(name), self.kind(name)
        if optional and value is None:
            return value
        try:
            return rule.convert(value) if rule.convert else _fitting(value, kind, rule)
        except SettingError:  # a conversion's own sentence says more
            raise
        except (TypeError, ValueError):
            near = meant(value, map(str, rule.choices)) if isinstance(value, str) else ""
            expected = rule.expected or _expected(kind, rule)
            raise SettingError(f"{self.noun} {name} must be {expected}. Got: {value!r}.{near}") from None

    def _unknown(self, name: str, names: list[str]) -> str:
        noun, listed, near = self.noun.lower(), ", ".join(names), meant(name, names)
        if len(names) <= _FEW:
            return f"A {noun} of {listed} is required. Got: {name!r}.{near}"
        return f"A {noun} is required. Got: {name!r}.{near or f' The {noun.split()[-1]}s are {listed}.'}"


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _fitting(value: Any, kind: Any, rule: Rule) -> Any:
    """Return a value in its type; raise ValueError where it does not fit."""
    if get_origin(kind) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError
        return tuple(_fitting(one, get_args(kind)[0], rule) for one in value)
    if kind is float and type(value) in (int, str):
        value = float(value)  # "1" and ".35" are numbers to people, not to TOML
    # False and True are no numbers here.
    if (isinstance(value, bool) and kind in (int, float)) or not isinstance(value, get_origin(kind) or kind):
        raise ValueError
    if kind is float and not math.isfinite(value):
        raise ValueError
    if kind in (int, float) and not _low(rule) <= value <= _high(rule):
        raise ValueError
    if rule.choices and value not in rule.choices:
        raise ValueError
    return value


def _low(rule: Rule) -> float:
    return -math.inf if rule.low is None else rule.low


def _high(rule: Rule) -> float:
    return math.inf if rule.high is None else rule.high


def _expected(kind: Any, rule: Rule) -> str:
    """Return what a setting takes, as it follows "must be" in a sentence."""
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        return f"a list of {_items(item, rule)} such as {_EXAMPLES.get(item, '[...]')}"
    if rule.choices:
        return f"one of {', '.join(map(str, rule.choices))}"
    if kind is bool:
        return _KINDS[bool]
    limits = _limits(rule)
    finite = "finite " if kind is float and not limits else ""
    if kind not in _KINDS:
        return f"of type {getattr(kind, '__name__', kind)}"
    return f"a {finite}{_KINDS[kind]}{limits}"


def _items(kind: Any, rule: Rule) -> str:
    if rule.choices:
        return f"{', '.join(map(str, rule.choices))}"
    return f"{_KINDS.get(kind, 'value')}s{_limits(rule)}"


def _limits(rule: Rule) -> str:
    low, high = (None if one is None or math.isinf(one) else _shown(one) for one in (rule.low, rule.high))
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f" of at least {low}" if low is not None else f" of at most {high}" if high is not None else ""


def _shown(number: float) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)
