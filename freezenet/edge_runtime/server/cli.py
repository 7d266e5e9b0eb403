"""The verb of the server: serve."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import click

from freezenet.edge_runtime.errors import MissingExtraError, SettingError, install_hint
from freezenet.edge_runtime.options import Loader, classifier_options, json_option, setting_option
from freezenet.edge_runtime.server.settings import ServerSettings

#: Packages of the extra `serve`.
PACKAGES = ("fastapi", "uvicorn", "prometheus_client", "python_multipart")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; anything but loopback requires a token.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free port.")
@click.option("--workers", type=click.IntRange(1), help="Images classified at the same time; default: the cores.")
@setting_option(ServerSettings, "queue")
@setting_option(ServerSettings, "max_bytes")
@setting_option(ServerSettings, "max_pixels")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Require the token in this file; or set FREEZENET_TOKEN.",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Name by which a reverse proxy on this machine is reached; requires a token.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep each classified image in DIR; without it none is kept.",
)
@json_option
@classifier_options
def serve(
    model: Path,
    host: str,
    port: int,
    workers: int | None,
    queue: int,
    max_bytes: int,
    max_pixels: int,
    token_file: Path | None,
    allowed_hosts: tuple[str, ...],
    store: Path | None,
    as_json: bool,
    load: Loader,
) -> None:
    """Answer over HTTP, with a web page for people, until SIGTERM or Ctrl-C.

    stdout gets one line for each request (--json: as JSON): method, path, status, milliseconds and the request's id,
    never a file name or an image. docs/serve.md says more.
    """
    require_packages()
    from freezenet.edge_runtime.batch import available_cores
    from freezenet.edge_runtime.server.access import TOKEN_VARIABLE, read_token
    from freezenet.edge_runtime.server.listen import listen, run
    from freezenet.edge_runtime.server.workers import Workers

    token = read_token(token_file)
    with listen(host, port) as door:
        if token is None and (allowed_hosts or not door.loopback):
            raise SettingError(
                f"A token is required where others can ask. Got: {'--allow-host' if allowed_hosts else f'--host {host}'} "
                f"without one; pass --token-file FILE or set {TOKEN_VARIABLE}."
            )
        if store is not None:
            os.umask(0o077)  # patients' images are for the one who runs the server
            store.mkdir(parents=True, exist_ok=True)
        settings = ServerSettings(
            max_bytes=max_bytes,
            max_pixels=max_pixels,
            queue=queue,
            token=token,
            hosts=frozenset(name.lower() for name in allowed_hosts) if door.loopback else None,
            store=store,
        )
        count = workers or available_cores()
        crew = Workers(load(model), count, queue=settings.queue, max_pixels=settings.max_pixels)
        run(door, crew, settings, as_json=as_json)


def require_packages() -> None:
    """Raise MissingExtraError where a package of the extra is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"The packages of the extra serve are required. Got: no {', '.join(missing)}; {install_hint('serve')}."
        )
