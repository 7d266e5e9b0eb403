"""A choice of names, as a comma-separated list on the command line."""

from __future__ import annotations

from collections.abc import Iterable

from edge_runtime.errors import FreezenetError


def chosen_names(text: str, known: Iterable[str], kind: str, everything: str | None = "all") -> list[str]:
    """Read a comma-separated list of known names.

    kind: what they are, in the plural, as an error begins with it. everything: the word for all of them, or None.
    Raises FreezenetError where a name is not known, or there is none.
    """
    known = list(known)
    names = known if text == everything else [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise FreezenetError(f"{kind} of {', '.join(known)} are required. Got: {', '.join(unknown) or 'none'}.")
    return names
