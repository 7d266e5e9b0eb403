"""Put the figures of finished cross-validations and of model files on other sources into one result.

    python -m studies.outside --crossval CROSSVAL... --model NAME=FILE... --other DATA [--unknown DATA] [--json] [--out results]

Nothing is trained here: `freezenet crossval`, `freezenet train` and `freezenet convert` come first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from freezenet.edge_runtime.errors import SettingError
from studies.command import StudyCommand, hand_over, result_options
from studies.outside.devices import outside_figures, unknown_class
from studies.outside.folds import crossval_figures

_PATH = click.Path(exists=True, path_type=Path)


@click.command(cls=StudyCommand)
@click.option("--crossval", "crossvals", multiple=True, type=_PATH, metavar="DIR", help="A finished cross-validation.")
@click.option("--model", "models", multiple=True, metavar="NAME=FILE", help="A model file, and what its training was.")
@click.option("--other", type=_PATH, metavar="DATA", help="Images of sources that no model was trained on.")
@click.option("--unknown", type=_PATH, metavar="DATA", help="Images of classes that the first model does not have.")
@result_options
def main(crossvals, models, other, unknown, as_json, out) -> None:
    """Measure what holds outside the sources of a training."""
    from freezenet.edge_runtime.system.environment import environment

    named = dict(one.split("=", 1) if "=" in one else ("", one) for one in models)
    if "" in named or (named and other is None) or (unknown and not named):
        raise SettingError("Models as NAME=FILE, with --other DATA for them, are required. Got: less.")
    result: dict[str, Any] = {"crossvals": [crossval_figures(folder) for folder in crossvals]}
    result["models"] = {name: outside_figures(Path(file), other) for name, file in named.items()}
    if other is not None:
        result["other"] = other.name
    if unknown is not None:
        result["unknown"] = unknown_class(Path(next(iter(named.values()))), unknown)
    hand_over({**result, "environment": environment()}, "outside", text(result), as_json, out)


def text(result: dict[str, Any]) -> str:
    """Return the result for a person."""
    from studies.tables.outside_page import section

    return section(result)


if __name__ == "__main__":
    main()
