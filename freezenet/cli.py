"""The `freezenet` command: a lazy group over the verbs of the packages."""

from __future__ import annotations

import io
import os
import re
import sys
from importlib import import_module

import click

# verb -> module that holds a click command of that name; a module is imported when its verb is used or listed.
VERBS = {
    "pipeline": "freezenet.pipeline.cli",
    "demo": "freezenet.pipeline.cli",
    "data": "freezenet.train.data.cli",
    "audit": "freezenet.train.audit.cli",
    "recipes": "freezenet.train.cli",
    "train": "freezenet.train.cli",
    "crossval": "freezenet.benchmarks.crossval_cli",
    "convert": "freezenet.convert.cli",
    "sign": "freezenet.convert.cli",
    "export-app": "freezenet.convert.cli",
    "export-hub": "freezenet.convert.cli",
    "evaluate": "freezenet.benchmarks.cli",
    "compare": "freezenet.benchmarks.cli",
    "benchmark": "freezenet.benchmarks.devices.cli",
    "bundle": "freezenet.benchmarks.devices.cli",
    "checklist": "freezenet.benchmarks.checklist.cli",
    "localize": "freezenet.benchmarks.localize.cli",
    "predict": "freezenet.edge_runtime.cli",
    "serve": "freezenet.edge_runtime.server.cli",
    "watch": "freezenet.edge_runtime.watch.cli",
    "dicom-node": "freezenet.edge_runtime.dicom_node.cli",
    "screen": "freezenet.edge_runtime.screen.cli",
    "inspect": "freezenet.edge_runtime.cli",
    "verify": "freezenet.edge_runtime.cli",
    "doctor": "freezenet.edge_runtime.cli",
}


#: Environment variable that shows the traceback of a failure nobody foresaw.
DEBUG = "FREEZENET_DEBUG"


class LazyGroup(click.Group):
    """A group whose commands live in modules that are imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one verb."""
        return getattr(import_module(VERBS[cmd_name]), cmd_name.replace("-", "_")) if cmd_name in VERBS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List each verb with its whole first sentence, which click would cut off."""
        commands = [(verb, self.get_command(ctx, verb)) for verb in VERBS]
        with formatter.section("Commands"):
            formatter.write_dl([(verb, one.get_short_help_str(limit=1000)) for verb, one in commands if one])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="freezenet", message="freezenet %(version)s")
def cli() -> None:
    """From a folder of imbalanced chest X-rays to a verified int8 model on a phone or a Raspberry Pi.

    A research tool, not a medical device: no figure printed here is a clinical claim.

    Data go to stdout, messages to stderr. Exit codes: 0 done, 1 a failure explained in one sentence, 2 wrong usage,
    3 a model was refused.
    """


def main() -> None:
    """Run the command; a failure is one sentence on stderr and never a traceback."""
    from freezenet.edge_runtime.errors import FreezenetError, one_line
    from freezenet.edge_runtime.system.start import prepare_process
    from freezenet.edge_runtime.system.talk import printable, show_talk

    prepare_process()
    show_talk()
    # A terminal that cannot show a character of a name gets an escape in its place.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except FreezenetError as error:
        click.echo(f"Error: {printable(str(error))}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of stdout went away, as `| head` does
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        where = f" {printable(str(error.filename))}:" if error.filename else ""
        click.echo(f"Error: The file system said no:{where} {error.strerror or error}.", err=True)
        sys.exit(1)
    except MemoryError:
        click.echo("Error: More memory is required than this machine has free.", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        click.echo(f"Error: {missing_package(error)}", err=True)
        sys.exit(1)
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        reason = printable(one_line(error))
        click.echo(
            f"Error: An unexpected failure, {type(error).__name__}: {reason}; please report it with the output of "
            f"`freezenet doctor` and of the same command with {DEBUG}=1.",
            err=True,
        )
        sys.exit(1)


#: Packages whose name differs from what is imported, or that come with another.
_DISTRIBUTIONS = {
    "keras": "tensorflow",
    "multipart": "python-multipart",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "starlette": "fastapi",
}


def missing_package(error: ModuleNotFoundError) -> str:
    """Say which package is missing and how to install what this verb needs."""
    from freezenet.edge_runtime.errors import install_hint

    return (
        f"This verb requires the package {error.name}. Got: it is not installed; "
        f"{install_hint(_extra_with(error.name or ''))} (the base install holds only what a device needs)."
    )


def _extra_with(module: str) -> str:
    """Return the first extra of this installation that brings a module, "all" where none is known to."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        requirements = requires("freezenet") or []
    except PackageNotFoundError:  # run from a clone
        requirements = []
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    if any(f'extra == "{verb}"' in one or f"extra == '{verb}'" in one for one in requirements):
        return verb  # an extra made for this verb brings all that it needs
    wanted = _plain(_DISTRIBUTIONS.get(module.partition(".")[0], module.partition(".")[0]))
    found = [re.match(r"([\w.-]+).*extra == [\"']([\w-]+)", one) for one in requirements]
    return next((one[2] for one in found if one and _plain(one[1]) == wanted), "all")


def _plain(name: str) -> str:
    """Return the name of a package in the form in which two spellings of it are equal (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
