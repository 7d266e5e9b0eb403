"""A benchmark's command line: its failures are one sentence, as those of `freezenet`."""

from __future__ import annotations

from typing import Any

import click

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.system.talk import show_talk


class BenchmarkCommand(click.Command):
    """A command that says a FreezenetError on stderr and ends with its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        show_talk()
        try:
            return super().invoke(ctx)
        except FreezenetError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)
