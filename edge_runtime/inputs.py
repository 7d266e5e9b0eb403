"""Which images a command line names: files, folders, `-` for standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

#: The argument that stands for an image on standard input.
STDIN = "-"


def named_images(arguments: Iterable[str]) -> Iterator[tuple[str, str | bytes]]:
    """Yield (name, path or bytes) for each image named; a folder gives the images below it, sorted.

    A path that is not there, or a folder without images, is yielded too: the reader says so in the place where the
    answer would stand.
    """
    for argument in arguments:
        if argument == STDIN:
            yield STDIN, sys.stdin.buffer.read()
        elif Path(argument).is_dir():
            from edge_runtime.image import IMAGE_SUFFIXES

            found = sorted(path for path in Path(argument).rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
            yield from ((str(path), str(path)) for path in found or [Path(argument)])
        else:
            yield argument, argument
