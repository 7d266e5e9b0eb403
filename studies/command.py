"""What every study's command shares: failures in one sentence, options, and the way a result leaves it.

@click.command(cls=StudyCommand)
@result_options
def main(..., as_json, out): hand_over(result, "name", text, as_json, out)
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.options import json_option
from freezenet.edge_runtime.system.talk import show_talk
from freezenet.train.options import recipe_option, set_option, weights_option
from studies.results import write_result

Command = TypeVar("Command", bound=Callable[..., Any])

#: Arguments that more than one study takes.
data_argument = click.argument("data", type=click.Path(exists=True, path_type=Path))
model_argument = click.argument("model", type=click.Path(exists=True, path_type=Path))
images_argument = click.argument(
    "images", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="IMAGE..."
)
not_cxr_option = partial(
    click.option,
    "--not-cxr",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Images that are no chest X-rays.",
)
seeds_option = click.option("--seeds", default="0,1,2", show_default=True, metavar="LIST", help="Seeds to train with.")


def training_options(command: Command) -> Command:
    """Add --recipe, --set and --weights."""
    return recipe_option(set_option(weights_option(command)))


class StudyCommand(click.Command):
    """A command that says a FreezenetError on stderr and ends with its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        show_talk()
        try:
            return super().invoke(ctx)
        except FreezenetError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)


def result_options(command: Command) -> Command:
    """Add --json and --out, which `hand_over` understands."""
    out = click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Also write a result file here.",
    )
    return json_option(out(command))


def hand_over(result: dict[str, Any], name: str, text: str, as_json: bool, out: Path | None) -> None:
    """Write the result into `out`, where that is given, and JSON or `text` to stdout.

    Args:
        result: JSON types with an "environment".
        name: first words of the result file's name, such as "peers-int8".
        text: the result for a person.
    """
    if out is not None:
        write_result(out, name, result)
    click.echo(json.dumps(result) if as_json else text.rstrip("\n"))


def hand_over_tally(model: Path, tally: Any, name: str, as_json: bool, out: Path | None) -> None:
    """Hand over what a stress counted, and end with exit code 1 where it did not pass.

    Args:
        model: the file that it was done to.
        tally: a dataclass of JSON types with a property `passed`.
        name: first words of the result file's name; that of the model follows.
    """
    from freezenet.edge_runtime.system.environment import environment

    result = {"model": model.name, **asdict(tally), "passed": tally.passed}
    text = "\n".join(f"{key:<20}{value}" for key, value in result.items())
    hand_over({**result, "environment": environment()}, f"{name}-{model.stem}", text, as_json, out)
    if not tally.passed:
        sys.exit(1)


def numbers(text: str) -> list[int]:
    """Return the whole numbers of a comma-separated list."""
    try:
        return [int(one) for one in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"A list of whole numbers such as 0,1,2 is required. Got: {text}.") from None
