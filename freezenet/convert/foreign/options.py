"""The options that tell of a model of another maker, shared by the verbs that take one; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def foreign_options(*, several: bool) -> Callable[[_Command], _Command]:
    """Return --preprocess and --labels, which the command takes as `preprocess` and `labels`.

    Args:
        several: Whether each may be given for each of several models; the arguments are then tuples.
    """
    preprocess = click.option(
        "--preprocess",
        multiple=several,
        metavar="SPEC",
        help="How a model that freezenet did not write sees an image, where its own metadata do not say: "
        "mean=127.5,std=127.5,color=rgb,resize=bilinear, or a .toml or .json file. See docs/foreign.md.",
    )
    labels = click.option(
        "--labels",
        multiple=several,
        metavar="LIST|FILE",
        help="The classes of such a model in the order of its scores, where it has no label file inside.",
    )
    return lambda command: preprocess(labels(command))
