"""Names that people type and read: a choice of them as a comma-separated list, and what a misspelt one was meant to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from freezenet.edge_runtime.errors import SettingError


def chosen_names(text: str, known: Iterable[str], kind: str, *, everything: str | None = "all") -> list[str]:
    """Read a comma-separated list of known names.

    Args:
        text: What was typed.
        known: The names that there are.
        kind: What they are, in the plural, as an error begins with it.
        everything: The word for all of them, or None.

    Raises:
        SettingError: A name is not known, or there is none.
    """
    known = list(known)
    names = known if text == everything else [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise SettingError(
            f"{kind} of {', '.join(known)} are required. Got: {', '.join(unknown) or 'none'}."
            f"{meant(unknown[0], known) if unknown else ''}"
        )
    return names


def counted(number: int, noun: str) -> str:
    """Return "1 image", "2 images"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], word: str = "and") -> str:
    """Return "a, b and c"."""
    return f"{', '.join(names[:-1])} {word} {names[-1]}" if len(names) > 1 else "".join(names)


def meant(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean X?" with the known name that is nearest to a misspelt one, "" where none is near."""
    near = get_close_matches(name, list(known), 1)
    return f" Did you mean {near[0]}?" if near else ""
