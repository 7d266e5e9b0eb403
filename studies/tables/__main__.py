"""Write all tables of the documentation: `python -m studies.tables`."""

from __future__ import annotations

from importlib import import_module

import click

from studies.command import StudyCommand

#: Modules here that have a PAGE.
MODULES = (
    "audit_page", "clients_page", "compare_page", "foreign_page", "install_page", "localize_page", "losses_page",
    "outside_page", "phone_page", "preprocessing_page", "quantization_page", "readme_page", "results_page",
    "robustness_page", "screen_page",
)  # fmt: skip


@click.command(cls=StudyCommand)
def main() -> None:
    """Write every table of the documentation anew from the files in results/."""
    for name in MODULES:
        page = import_module(f"studies.tables.{name}").PAGE
        page.write()
        click.echo(page.path)


if __name__ == "__main__":
    main()
