"""The files below a folder: which of them are images by their content, and why the others are none.

Folders that are links are followed, each folder once. Hidden folders, those of operating systems and programs, and folders of lung
masks are looked into only to count what lies there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from freezenet.edge_runtime.images.dicom.recognition import HEAD
from freezenet.edge_runtime.images.inputs import begins_image, is_service_folder
from freezenet.edge_runtime.images.reader import IMAGE_SUFFIXES

#: masks, Mask, lung_masks, "left mask", ManualMask; not Damask.
_MASKS = re.compile(r"(?:.*[\W_])?masks?|.*[a-z](?-i:M)asks?", re.IGNORECASE)
_MASK_FILE = re.compile(r".+[\W_]masks?", re.IGNORECASE)

NO_IMAGE = "of no format that is read (JPEG, PNG, TIFF, BMP, WebP, DICOM)"
_HIDDEN_FILE = "hidden by a dot at the beginning of the name"
_MASK = "named as a mask"


def walk(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (path, reason) of each file below a folder, in the order of their names.

    The path is relative and has slashes; the reason why a file is no image is "" for an image. A folder that cannot be read is
    yielded as an image named `.` in it, so that reading it says what is wrong.
    """
    yield from _Walk(root).below("")


def no_data(name: str) -> str:
    """Return what a folder of this name is, where that is nothing to train on; "" for any other."""
    if is_service_folder(name):
        return "a hidden or service folder"
    return "a folder of masks" if _MASKS.fullmatch(name) else ""


class _Walk:
    """One walk: it remembers the folders that it has been in, so that links lead into none of them twice."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.linked: set[str] = set()
        self._own: set[str] | None = None

    def below(self, folder: str) -> Iterator[tuple[str, str]]:
        try:
            with os.scandir(self.root / folder) as entries:
                inside = sorted((entry.name, _is_folder(entry), entry.is_symlink()) for entry in entries)
        except OSError:
            yield f"{folder}/." if folder else ".", ""
            return
        for name, is_folder, is_link in inside:
            path = f"{folder}/{name}" if folder else name
            if not is_folder:
                yield path, _why_no_image(self.root / path)
            elif kind := no_data(name):
                yield from self._counted(path, f"in {path}/, {kind}", is_link)
            elif is_link and not self._is_new(path):
                yield path, "a link to a folder that is read already"
            else:
                yield from self.below(path)

    def _is_new(self, link: str) -> bool:
        """Whether a link leads to a folder that is reached in no other way."""
        target = os.path.realpath(self.root / link)
        # A folder around the root holds the root, and the link again.
        around = Path(os.path.realpath(self.root)).is_relative_to(target)
        if around or target in self.linked or target in self._folders():
            return False
        self.linked.add(target)
        self.linked.update(os.path.realpath(one) for one in _folders_below(target))
        return True

    def _folders(self) -> set[str]:
        """The real paths of the folders that are reached without a link."""
        if self._own is None:
            self._own = {os.path.realpath(one) for one in _folders_below(str(self.root))}
        return self._own

    def _counted(self, folder: str, reason: str, is_link: bool) -> Iterator[tuple[str, str]]:
        if is_link:
            yield folder, reason
            return
        for home, _, files in sorted(os.walk(self.root / folder)):
            inside = Path(home).relative_to(self.root)
            yield from (((inside / name).as_posix(), reason) for name in sorted(files))


def _folders_below(root: str) -> Iterator[str]:
    for home, folders, _ in os.walk(root):
        folders[:] = [name for name in folders if not no_data(name)]
        yield home


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links
        return False


def _why_no_image(path: Path) -> str:
    """Return why a file is no image, "" where it is one: by its content, or by a name that promises one."""
    if path.name.startswith("."):
        return _HIDDEN_FILE
    if _MASK_FILE.fullmatch(path.stem):
        return _MASK
    if path.suffix.lower() in IMAGE_SUFFIXES:  # reading it says what is wrong with it
        return ""
    if not path.is_file():  # opening a pipe would wait for its other end
        return "a link to nothing" if path.is_symlink() else "no ordinary file"
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        return f"not to be opened ({error.strerror})"
    return "" if begins_image(head) else NO_IMAGE
