"""Write files whole or not at all."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freezenet.edge_runtime.errors import DataError, MissingExtraError, SettingError, install_hint
from freezenet.edge_runtime.files import remove_partial
from freezenet.edge_runtime.files import write_atomically as write_atomically  # the device has both too
from freezenet.edge_runtime.integrity.hashes import sha256_file as sha256_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_json(path: Path, content: Any) -> None:
    """Write JSON, indented."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a CSV with a header line."""

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)

    write_atomically(path, write)


def read_json(path: Path) -> Any:
    """Read JSON; DataError where the file is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        if path.parent.is_file():
            raise DataError(
                f"A folder written by freezenet with {path.name} inside is required. Got: {path.parent}, a file; name its folder."
            ) from None
        what = "without one" if path.parent.is_dir() else "which does not exist"
        # A pipeline's folder, for example, holds the run and the models in folders of their own.
        inner = next(iter(sorted(path.parent.glob(f"*/{path.name}"))), None)
        what += f"; name {inner.parent}, which has one" if inner else ""
        raise DataError(
            f"A folder written by freezenet with {path.name} inside is required. Got: {path.parent}, {what}."
        ) from None
    except ValueError:
        raise DataError(f"Valid JSON in {path} is required. Got: a damaged file; write it again.") from None


def check_output(folder: Path, finished: str | None, overwrite: bool) -> None:
    """Refuse an output folder that `prepare_output` would refuse, before the work that comes ahead of it; touch nothing."""
    for path in (folder, *folder.parents):
        if path.is_file():
            raise SettingError(
                f"An output folder is required. Got: {folder}, where {path} is a file; choose another name."
            )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise SettingError(
            f"A new or empty output folder is required. Got: {folder}, which holds other files; choose another name."
        )
    if finished is not None and not overwrite and (folder / finished).exists():
        raise SettingError(
            f"An output folder without results is required. Got: {folder}, which is finished (it holds {finished}); pass "
            "--overwrite to do it again, or choose another name."
        )


def prepare_output(folder: Path, finished: str | None, overwrite: bool) -> None:
    """Make an output folder.

    Args:
        folder: the folder; one that is ours and unfinished is that of a killed run, and is gone on with.
        finished: name of the file that is written last; None for a folder that can always be gone on with.
        overwrite: empty a finished folder, which is refused otherwise.

    Raises:
        SettingError: the path is a file, a folder with something else inside, or finished.
    """
    check_output(folder, finished, overwrite)
    if overwrite and folder.is_dir():
        _empty(folder, finished)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    for one in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        remove_partial(one)


def prepare_file(path: Path, overwrite: bool, source: Path) -> None:
    """Refuse an output file that is a folder, is there already (unless `overwrite`), or is the source itself."""
    if path.is_dir():
        raise SettingError(f"An output file is required. Got: {path}, a folder; choose another name.")
    if path.exists() and source.exists() and path.samefile(source):
        raise SettingError(f"Another output file than the source is required. Got: {path}; choose another name.")
    if path.exists() and not overwrite:
        raise SettingError(
            f"An output file that does not exist is required. Got: {path}; pass --overwrite or choose another name."
        )


def require_folder(path: Path) -> None:
    """Refuse an output file whose folder does not exist, before the work that comes ahead of it."""
    if not path.absolute().parent.is_dir():
        raise SettingError(f"A file in a folder that exists is required. Got: {path}; make its folder first.")


def require_drawing() -> None:
    """Refuse to draw where matplotlib is not installed, before the work that comes ahead of the picture."""
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError(
            f"The package matplotlib is required for the picture. Got: not installed; {install_hint('report')}."
        ) from None


def require_picture(path: Path) -> None:
    """Refuse a picture that `write_picture` could not write, before the work that comes ahead of it."""
    require_drawing()
    from matplotlib.backend_bases import FigureCanvasBase

    if path.suffix[1:].lower() not in FigureCanvasBase.get_supported_filetypes():
        raise SettingError(f"A picture whose name ends in .png, .svg or .pdf is required. Got: {path}.")
    if path.is_dir():
        raise SettingError(f"An output file is required. Got: {path}, a folder; choose another name.")
    require_folder(path)


def write_picture(figure: Figure, path: Path) -> None:
    """Write what was drawn; the suffix names the format."""
    write_atomically(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:].lower()))


def _empty(folder: Path, finished: str | None) -> None:
    """Remove what lies in an output folder, so that a process killed meanwhile leaves one that can be emptied again.

    The mark stays, or the rest would pass for somebody else's; what says "finished" goes first, or it would speak for the rest.
    """
    for path in sorted(folder.iterdir(), key=lambda path: path.name != finished):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MARK:
            path.unlink()


#: Marks a folder as ours, so that no other folder is ever emptied or written into.
MARK = ".freezenet"
