"""The command; see the package."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np

from freezenet.edge_runtime.errors import DataError, FreezenetError
from freezenet.edge_runtime.images.dicom.recognition import is_dicom
from freezenet.edge_runtime.images.inputs import images_below
from freezenet.edge_runtime.images.reader import read_gray
from freezenet.edge_runtime.system.environment import environment
from studies.command import StudyCommand, hand_over, result_options
from studies.stress.gray_values import dicom_files
from studies.stress.gray_values.files import Picture, pictures

#: Largest difference in gray levels that is none.
LEVELS = 2
#: Sides of the X-rays in pixels, so that hundreds of files take minutes.
_SIDES = (256, 211)


@dataclass
class Row:
    """What became of the files of one kind."""

    files: int = 0
    read: int = 0
    difference: float = 0.0
    refused: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)


def compare(every: Iterable[Picture]) -> dict[str, Row]:
    """Read each file twice; return kind -> row."""
    rows: dict[str, Row] = {}
    for picture in every:
        row = rows.setdefault(picture.kind, Row())
        row.files += 1
        try:
            gray = read_gray(picture.data, trust_tags=False)
        except FreezenetError as error:
            row.refused.add(str(error).partition(" Got: ")[2])
            continue
        row.read += 1
        expected = picture.expected()
        if expected.shape != gray.shape:
            row.failures.append(f"{gray.shape} instead of {expected.shape}")
            continue
        difference = float(np.abs(gray - expected).max())
        row.difference = max(row.difference, difference)
        if difference > LEVELS:
            row.failures.append(f"{difference:.1f} levels")
    return rows


def made_from(xrays: Iterable[np.ndarray], most: int) -> Iterator[Picture]:
    """Yield the files of X-rays (h, w) uint8 until there are so many, each kind once for each X-ray."""
    count = 0
    for gray in xrays:
        for picture in (*pictures(gray), *dicom_files.dicom_pictures(gray)):
            yield picture
            count += 1
        if count >= most:
            return


def twelve_bits(xrays: list[np.ndarray], files: list[bytes]) -> tuple[int, int]:
    """Return of how many 12-bit lossy JPEG frames by DCMTK, and given ones, the samples are DCMTK's, and their number."""
    import imagecodecs
    from pydicom import dcmread
    from pydicom.encaps import get_frame

    made = [dicom_files.lossy_12_bits(gray, quality) for gray in xrays for quality in (40, 70, 90, 98)]
    same = 0
    for data in (*made, *files):
        found: Any = dcmread(io.BytesIO(data), force=True)
        samples = imagecodecs.jpeg8_decode(get_frame(found.PixelData, 0, number_of_frames=1))
        same += np.array_equal(samples, dicom_files.stored_values(dicom_files.uncompressed(data)))
    return same, len(made) + len(files)


@click.command(cls=StudyCommand)
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FOLDER...")
@click.option(
    "--files", default=700, show_default=True, type=click.IntRange(1), help="At least so many files are made."
)
@result_options
def main(folders: tuple[Path, ...], files: int, as_json: bool, out: Path | None) -> None:
    """Compare the gray values of X-rays in every format with those of independent readers.

    The images below FOLDER are written in every kind of file; DICOM files among them are read as they are, too.
    """
    dicom_files.check_tools()
    xrays, given = _sources(folders)
    rows = compare(_all(xrays, given, files))
    same, frames = twelve_bits(xrays[:12], [data for data in given.values() if dicom_files.is_12_bit_jpeg(data)])
    total, read = sum(row.files for row in rows.values()), sum(row.read for row in rows.values())
    failed = {kind: row.failures for kind, row in rows.items() if row.failures}
    lines = ["| kind | files | read | largest difference in levels | refused: got |", "|---|---|---|---|---|"]
    for kind, row in rows.items():
        difference = f"{row.difference:.2f}" if row.read else ""
        lines.append(f"| {kind} | {row.files} | {row.read} | {difference} | {' '.join(sorted(row.refused))[:150]} |")
    wrong = sum(map(len, failed.values()))
    lines.append(
        f"\n{total} files: {read - wrong} within {LEVELS} levels, {total - read} refused by name, {wrong} neither."
    )
    lines.append(f"12-bit lossy JPEG: the samples of {same} of {frames} files are those of DCMTK, bit for bit.")
    result = {
        "files": total, "read": read, "refused": total - read, "beyond": failed, "levels": LEVELS, "readers": _versions(),
        "twelve_bits": {"files": frames, "identical": same},
        "kinds": {kind: {"files": row.files, "read": row.read, "difference": round(row.difference, 3), "refused": sorted(row.refused)}
                  for kind, row in rows.items()},
        "environment": environment(),
    }  # fmt: skip
    hand_over(result, "gray-values", "\n".join(lines), as_json, out)


def _versions() -> dict[str, str]:
    """Return name -> version of the independent readers; tifffile only where it is installed."""
    found = {name: version(name) for name in ("pillow", "tifffile") if find_spec(name.replace("pillow", "PIL"))}
    said = subprocess.run(["dcm2pnm", "--version"], capture_output=True, text=True, check=False).stdout
    return {**found, "dcmtk": said.split()[2].lstrip("v") if len(said.split()) > 2 else "unknown"}


def _all(xrays: list[np.ndarray], given: dict[str, bytes], files: int) -> Iterator[Picture]:
    yield from made_from(xrays, files)
    for name, data in given.items():
        yield Picture(f"given: {name}", data, partial(dicom_files.by_dcmtk, data))


def _sources(folders: tuple[Path, ...]) -> tuple[list[np.ndarray], dict[str, bytes]]:
    """Return X-rays of unequal sides, evenly over the folders, and the DICOM files as they are."""
    import cv2

    xrays, given = [], {}
    for folder in folders:
        paths = list(images_below(str(folder)))
        for path in paths:
            data = Path(path).read_bytes()
            if is_dicom(data):
                given[Path(path).name] = data
        plain = [path for path in paths if Path(path).name not in given]
        for path in (*plain[:: max(1, len(plain) // 10)], *(path for path in paths if Path(path).name in given)):
            try:
                xrays.append(cv2.resize(read_gray(path), _SIDES, interpolation=cv2.INTER_AREA))
            except DataError:  # no chest X-ray
                continue
    if not xrays:
        raise DataError("Folders with images are required. Got: none that can be read.")
    return xrays, given


if __name__ == "__main__":
    main()
