"""Numbers that a person may change on the command line as key=value."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.names import meant
from freezenet.train.recipes.recipe import parsed_setting

_Kind = TypeVar("_Kind", bound="Settings")


def setting(default: Any, lowest: float, highest: float) -> Any:
    """Declare a field of a `Settings` class: int or float like its default, between two limits that are allowed themselves."""
    return field(default=default, metadata={"limits": (lowest, highest)})


@dataclass(frozen=True)
class Settings:
    """A group of numbers, checked when it is made; subclasses declare the fields with `setting`."""

    def __post_init__(self) -> None:
        """Raise FreezenetError where a value is of another kind or beyond its limits."""
        for one in fields(self):
            value, (lowest, highest) = getattr(self, one.name), one.metadata["limits"]
            whole = type(one.default) is int
            kinds = (int,) if whole else (int, float)
            if type(value) not in kinds or not lowest <= value <= highest:  # False and True are no numbers here
                raise FreezenetError(
                    f"Setting {one.name} must be a {'whole ' if whole else ''}number from {lowest:g} to {highest:g}. "
                    f"Got: {value!r}."
                )

    def changed(self: _Kind, settings: Sequence[str]) -> _Kind:
        """Return a copy with `key=value` settings applied."""
        values = dict(parsed_setting(one) for one in settings)
        names = [one.name for one in fields(self)]
        for key, value in values.items():
            if key not in names:
                raise FreezenetError(f"A setting of {', '.join(names)} is required. Got: {key!r}.{meant(key, names)}")
            if isinstance(value, str) and isinstance(getattr(self, key), float):
                with contextlib.suppress(ValueError):
                    values[key] = float(value)  # ".35" is a number to people, not to TOML
        return replace(self, **values)
