"""Which images and models a command line names: files, folders, `-` for standard input."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.images.dicom.recognition import HEAD, is_dicom, is_dicomdir
from freezenet.edge_runtime.images.header import image_format

logger = logging.getLogger(__name__)

#: Folders that systems and programs leave behind, in small letters; others begin with a dot.
_SERVICE = frozenset({"__macosx", "@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin", "recycler",
                      "recycled", "lost+found", "system volume information", "__pycache__", "network trash folder",
                      "temporary items"})  # fmt: skip
#: The argument that stands for an image on standard input.
STDIN = "-"


def named_images(arguments: Iterable[str]) -> Iterator[tuple[str, str | bytes]]:
    """Yield (name, path or bytes) for each image named; a folder gives the images below it, sorted.

    What is passed over in hidden and service folders is counted and said, unless such a folder is named itself. A path that is not there, or a folder without images, is yielded too: the reader says so in the place where the
    answer would stand.
    """
    for argument in arguments:
        if argument == STDIN:
            yield STDIN, sys.stdin.buffer.read()
        elif Path(argument).is_dir():
            skipped: Counter[str] = Counter()
            found = images_below(str(Path(argument)), skipped)
            first = next(found, argument)
            yield from ((path, path) for path in chain([first], found))
            for folder, files in skipped.items():
                logger.warning(
                    "%s is a hidden or service folder; files in it that are not answered: %d.", folder, files
                )
        else:
            yield argument, argument


def images_below(folder: str, skipped: Counter[str] | None = None) -> Iterator[str]:
    """Yield the paths of the images below a folder in the order of their names, with no more than one folder's at a time.

    These are files with an image's suffix, and images whatever their name: hospitals export DICOM files as IM0001 or by a
    number, and browsers save JPEG files as .jfif. DICOMDIR, the index among them, is no image. A folder below it that cannot be read is yielded as well, so that it
    is not passed over in silence.

    Args:
        folder: Where to look.
        skipped: Takes the hidden and service folders that were passed over, and how many files lie below each.
    """
    from freezenet.edge_runtime.images.reader import IMAGE_SUFFIXES

    try:
        with os.scandir(folder) as entries:
            inside = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:
        yield folder
        return
    for name, is_folder in inside:
        path = os.path.join(folder, name)
        if is_folder and is_service_folder(name):
            if skipped is not None:
                skipped[path] = sum(len(files) for _, _, files in os.walk(path))
        elif is_folder:
            yield from images_below(path, skipped)
        elif os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES or _is_image(path):
            yield path


def is_service_folder(name: str) -> bool:
    """Whether a folder of this name is hidden, or one that operating systems and programs leave behind, such as a trash."""
    return name.startswith(".") or name.casefold() in _SERVICE


def _is_image(path: str) -> bool:
    # Opening a pipe would wait for its other end.
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return begins_image(head)


def begins_image(head: bytes) -> bool:
    """Whether the first HEAD bytes of a file are those of an image; DICOMDIR, the index of DICOM files, is none."""
    return image_format(head) is not None or (is_dicom(head) and not is_dicomdir(head))


def overlay_names() -> Callable[[str], str]:
    """Return a function from an image's name to the file name of its overlay, never the same twice."""
    taken: Counter[str] = Counter()

    def name(image: str) -> str:
        base = "stdin" if image == STDIN else Path(image).name
        taken[base] += 1
        return f"{base}.cam.png" if taken[base] == 1 else f"{base}.{taken[base]}.cam.png"

    return name


def named_models(path: Path) -> list[Path]:
    """Return the model file that `path` is, or those below a folder, sorted; ModelError where there is none."""
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.rglob("*.tflite") if not one.name.startswith("."))
    if not found:
        raise ModelError(f"A model or a folder of models is required. Got: {path}, a folder without .tflite files.")
    return found
