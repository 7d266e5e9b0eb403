"""Node and a JVM, which run the apps' rules, and a model that refuses, abstains and answers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studies.phone import jvm, node
from studies.tools import MissingToolError


def available(ask: Callable[[], Any]) -> Any:
    """Return what `ask` returns; skip where a tool is missing, unless this is the machine that must have it."""
    try:
        return ask()
    except MissingToolError as error:
        if os.environ.get("FREEZENET_CI") and os.geteuid() == 0 and shutil.which("apt-get"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def packages(tools) -> Path:
    """The node_modules folder with LiteRT.js."""
    return available(lambda: node.litertjs(tools))


@pytest.fixture(scope="session")
def ask() -> Callable[..., list[Any]]:
    """A function: jobs of ask.mjs -> their answers."""
    return lambda *jobs: available(lambda: node.ask(jobs))


@pytest.fixture(scope="session")
def ask_kotlin(tools) -> Callable[..., list[Any]]:
    """A function: jobs of Ask.kt -> their answers."""
    available(lambda: jvm.compiled(tools))
    return lambda *jobs: available(lambda: jvm.ask(jobs, tools))
