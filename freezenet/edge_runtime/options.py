"""Options that several verbs of the command line share, each with one name, one default and one help."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from freezenet.edge_runtime.settings import Settings

if TYPE_CHECKING:
    from freezenet.edge_runtime.classifier import Classifier

#: A function from a model file to its classifier, run as the options say.
Loader = Callable[[str | Path], "Classifier"]
_Command = TypeVar("_Command", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
threads_option = click.option(
    "--threads", type=click.IntRange(1, 256), default=1, show_default=True, help="CPU threads."
)
runtime_option = click.option(
    "--runtime",
    type=click.Choice(["ai-edge-litert", "tflite-runtime", "tensorflow"]),
    help="Interpreter; default: the first that is installed.",
)
ignore_tags_option = click.option(
    "--ignore-tags",
    is_flag=True,
    help="Read DICOM files also where modality, body part or view say that this is no frontal chest X-ray.",
)
names_option = click.option(
    "--names", is_flag=True, help="Name files on stdout and stderr; their names may hold patients' names or UIDs."
)

public_key_option = click.option(
    "--public-key",
    type=click.Path(path_type=Path),
    metavar="KEY.pub",
    help="Require the signature of the model's folder (`freezenet sign`) and that no file has changed since.",
)
accept_changed_option = click.option(
    "--accept-changed",
    is_flag=True,
    help="Use the model even where its SHA-256 is not that in conversion.json beside it, or its network not that in its card.",
)


def classifier_options(command: _Command) -> _Command:
    """Add the options that decide how a model is run: --ignore-tags, --threads, --runtime, --public-key and --accept-changed.

    The command takes them as one argument `load`, a `Loader`, which compares the file with what lies beside it.
    """

    @functools.wraps(command)
    def with_loader(
        *args: Any,
        ignore_tags: bool,
        threads: int,
        runtime: str | None,
        public_key: Path | None,
        accept_changed: bool,
        **others: Any,
    ) -> Any:
        def load(model: str | Path) -> Classifier:
            from freezenet.edge_runtime.classifier import Classifier
            from freezenet.edge_runtime.integrity.shipped import shipped_model

            file = shipped_model(model, public_key=public_key, accept_changed=accept_changed)
            return Classifier(
                file, threads=threads, runtime=runtime, trust_tags=not ignore_tags, accept_changed=accept_changed
            )

        return command(*args, load=load, **others)

    options = (runtime_option, threads_option, ignore_tags_option, public_key_option, accept_changed_option)
    return functools.reduce(lambda made, option: option(made), options, with_loader)  # type: ignore[arg-type, return-value]


def setting_option(cls: type[Settings], name: str, **more: Any) -> Callable[[_Command], _Command]:
    """Return the option --NAME for one setting, with the default, the limits and the help that stand at its field.

    Args:
        cls: The class that declares the setting.
        name: Its name; underscores become hyphens in the option.
        more: Whatever else `click.option` takes.
    """
    rule, (kind, _) = cls.rule(name), cls.kind(name)
    default = next(one.default for one in fields(cls) if one.name == name)
    if rule.choices:
        more.setdefault("type", click.Choice(rule.choices))
    elif kind is int:
        more.setdefault("type", click.IntRange(rule.low, rule.high))  # type: ignore[arg-type]
    elif kind is float:
        more.setdefault("type", click.FloatRange(rule.low, rule.high))
    return click.option(f"--{name.replace('_', '-')}", name, default=default, show_default=True, help=rule.help, **more)
