"""The verb `data`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freezenet.edge_runtime.names import counted
from freezenet.edge_runtime.options import json_option

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Groups of duplicates and unreadable files that are named; the rest is counted, `--json` has all.
_SHOWN = 10
#: Files that are named as examples of one reason.
_EXAMPLES = 3


@click.command()
@click.argument("data", type=click.Path())
@click.option(
    "--clean",
    "clean_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="CSV",
    help="Write the list of images without unreadable files and duplicates; it is DATA again.",
)
@click.option(
    "--drop-split",
    is_flag=True,
    help="Leave split and fold out of the CSV, so that training splits the images anew.",
)
@click.option("--overwrite", is_flag=True, help="Replace the CSV of --clean.")
@json_option
def data(data: str, clean_file: Path | None, drop_split: bool, overwrite: bool, as_json: bool) -> None:
    """Look at DATA before training: classes, patients, splits, sources, sizes, unreadable files, duplicates, leaks.

    DATA is a folder or a CSV in any layout of docs/data.md. Findings are not failures: the exit code is 0.
    """
    from freezenet.train.data.cleaning import clean
    from freezenet.train.data.inventory import take_inventory
    from freezenet.train.data.loading import load
    from freezenet.train.files import prepare_file

    if drop_split and clean_file is None:
        raise click.UsageError("--drop-split needs --clean CSV.")
    if clean_file is not None:
        prepare_file(clean_file, overwrite, Path(data))
    inventory = take_inventory(load(data, task=None, say=False))  # what it would say is shown in its place
    found = {"data": str(data), **inventory.to_dict()}
    if clean_file is not None:
        cleaning = clean(inventory, splits=not drop_split)
        cleaning.write(clean_file, splits=not drop_split)
        found["clean"] = {"file": str(clean_file), **cleaning.to_dict()}
    if as_json:
        click.echo(json.dumps(found))
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console

    # A file or a pipe has no width; most terminals show this one.
    console = Console(highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    console.print(f"{found['data']}: {found['layout']}")
    sizes = {name: " x ".join(map(str, size)) for name, size in found["sizes"].items()}
    shown = f"; {', '.join(f'{name} {size}' for name, size in sizes.items())} pixels" if sizes else ""
    console.print(f"{counted(found['images'], 'image')}, {counted(found['patients'], 'known patient')}{shown}\n")
    console.print(_classes(found), "")
    if list(found["labels"]) != list(found["classes"]):  # label sets
        console.print(_labels(found), "")
    sources = found["sources"]["table"] if found["sources"]["known"] else {}
    for title, table in (("source", sources), ("split", found["splits"]), ("fold", found["folds"])):
        if table:
            console.print(_crossed(title, table), "")
    _files(console, found["files"])
    for one in found["unreadable"][:_SHOWN]:
        console.print(f"unreadable: {one['file']}: {one['reason']}")
    _rest(console, found["unreadable"], "unreadable files")
    for group in found["duplicates"][:_SHOWN]:
        across = "".join(f"; {', '.join(group[key])}" for key in ("classes", "splits", "folds") if len(group[key]) > 1)
        console.print(f"{'equal files' if group['exact'] else 'same picture'}: {' = '.join(group['files'])}{across}")
    _rest(console, found["duplicates"], "groups of duplicates")
    for note in found["notes"]:
        console.print(f"- {note}")
    for warning in found["warnings"]:
        console.print(f"! {warning}")
    if "clean" in found:
        reasons = ", ".join(f"{count} {reason}" for reason, count in found["clean"]["reasons"].items())
        left_out = f"; left out: {reasons}" if reasons else ""
        console.print(
            f"{found['clean']['file']}: {found['clean']['images']} of {counted(found['images'], 'image')}{left_out}"
        )


def _files(console: Console, files: dict[str, Any]) -> None:
    """Say of each file of DATA that is not used why, with examples."""
    if not files["unused"]:
        return
    tables = f", {len(files['tables'])} as tables" if files["tables"] else ""
    console.print(
        f"{counted(files['files'], 'file')}: {files['images']} used as images{tables}, {files['unused']} not used:"
    )
    examples: dict[str, list[str]] = {}
    for one in files["unused_files"]:
        examples.setdefault(one["reason"], []).append(one["file"])
    for reason, count in files["reasons"].items():
        shown = ", ".join(examples[reason][:_EXAMPLES]) + (", ..." if count > _EXAMPLES else "")
        console.print(f"  {count} {reason}: {shown}")
    console.print()


def _classes(found: dict[str, Any]) -> Table:
    table = _table("class", "images", "share", "patients", "images without patient", "unreadable files")
    for label, row in found["classes"].items():
        counts = (row[key] for key in ("patients", "without_patient", "unreadable"))
        table.add_row(label, str(row["images"]), _share(row["images"], found), *map(str, counts))
    return table


def _labels(found: dict[str, Any]) -> Table:
    table = _table("label", "images", "share")
    for label, images in found["labels"].items():
        table.add_row(label, str(images), _share(images, found))
    return table


def _share(images: int, found: dict[str, Any]) -> str:
    return f"{images / found['images']:.1%}"


def _crossed(title: str, counts: dict[str, dict[str, int]]) -> Table:
    """One row for each value of the column, because there may be many, and one column for each class."""
    table = _table(title, *counts)
    for name in next(iter(counts.values())):
        table.add_row(name or "(none)", *(str(row[name]) for row in counts.values()))
    return table


def _table(first: str, *others: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", overflow="fold")
    return table


def _rest(console: Any, items: list[Any], kind: str) -> None:
    if len(items) > _SHOWN:
        console.print(f"... and {len(items) - _SHOWN} more {kind}; --json names them all")
