"""Progress bars on stderr, for a person: silent where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def track(items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """Yield the items with a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import track as bar

    console = Console(stderr=True)
    shown = bar(items, description=title, total=total, console=console, disable=not sys.stderr.isatty(), transient=True)
    yield from shown
