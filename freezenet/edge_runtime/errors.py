"""The failures that a user is told about in one sentence."""

from __future__ import annotations


class FreezenetError(Exception):
    """A failure whose message is one sentence: what is required, what came, what to do.

    The command line prints the message and exits with `exit_code`; no traceback is shown. What is raised is one of the
    subclasses wherever a caller could want to tell them apart.
    """

    exit_code = 1


class DataError(FreezenetError):
    """An image, a table or a folder of data that cannot be used as it is."""


class TemporaryError(DataError):
    """An image that cannot be had or decoded at this moment: a server does not answer, time or memory do not suffice. Later it may."""


class SettingError(FreezenetError, ValueError):
    """A setting, an option or an argument with a value that is not possible."""


class ModelError(FreezenetError):
    """A model file, a card or a folder of them that is missing, damaged, or made by another version."""


class MissingExtraError(FreezenetError, ImportError):
    """A package that this installation does without; the message says which extra brings it."""


class RefusedError(ModelError):
    """A model was measured and refused; the message holds the figures and the likely cause."""

    exit_code = 3


class DeviceError(FreezenetError):
    """A device that cannot be reached or equipped, or whose state would make a measurement meaningless."""


def install_hint(extra: str) -> str:
    """Return how to install what an extra brings, for the end of a sentence."""
    return f"run: pip install 'freezenet[{extra}]', or in a clone: pip install '.[{extra}]'"


def require_type(name: str, value: object, *kinds: type) -> None:
    """Raise SettingError where an argument of a public function is of none of the types that it takes."""
    if not isinstance(value, kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise SettingError(f"{name} must be of type {expected}. Got: {value!r:.80} of type {type(value).__name__}.")


def one_line(said: object, most: int = 300) -> str:
    """Return what a library said as one line of at most `most` characters, for the inside of a sentence."""
    return " ".join(str(said).split())[:most].rstrip(". ")
