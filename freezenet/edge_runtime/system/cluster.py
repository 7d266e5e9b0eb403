"""The connection to a Ray cluster, for whoever works on one; Ray is an extra."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

from freezenet.edge_runtime.errors import SettingError, one_line

#: Seconds for the cluster to take a connection.
_PATIENCE = 10


def require_listener(address: str) -> None:
    """Raise SettingError where nobody listens at host:port; Ray itself tries for many minutes.

    Args:
        address: host:port, ray://host:port, or "local".
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if host and port.isdigit():
            socket.create_connection((host, int(port)), _PATIENCE).close()
    except OSError as error:
        raise _no_cluster(address, error) from None


def connect(address: str, variables: Mapping[str, str]) -> None:
    """Connect this process with a cluster.

    Args:
        address: host:port, ray://host:port, or "local", which starts a cluster on this machine.
        variables: Environment of the workers.

    Raises:
        SettingError: There is no cluster.
    """
    import ray

    # Started by `uv run`, Ray would copy the working directory, and with it perhaps all images, to each machine.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    # What its core says on stderr by itself is no sentence for a user; failures are raised.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        ray.init(
            address=None if address == "local" else address,
            runtime_env={"env_vars": dict(variables)},
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False if address == "local" else None,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, error) from None


def _no_cluster(address: str, error: Exception) -> SettingError:
    return SettingError(f"A Ray cluster at {address} is required. Got: {one_line(error)}.")
