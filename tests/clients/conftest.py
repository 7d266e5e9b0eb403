"""The clients are installed once for all sessions, so not into the test session's own cache."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from benchmarks.clients.matrix import CLIENTS
from benchmarks.clients.question import questions
from benchmarks.clients.tools import MissingToolError

#: Read while the tests are collected, before the session's own cache takes the variable's place.
TOOLS = Path(os.environ.get("FREEZENET_CACHE") or user_cache_path("freezenet")) / "clients"


def available(ask):
    """Return what `ask` returns; skip where a tool is missing, unless this is the machine that must have it."""
    try:
        return ask()
    except MissingToolError as error:
        prepared = os.environ.get("FREEZENET_CI") and os.geteuid() == 0 and shutil.which("apt-get")
        if prepared and error.installable:
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder in which the clients are installed."""
    return TOOLS


@pytest.fixture(scope="session")
def answers(models, tools):
    """A function: name of a client, questions (all golden ones if None) -> variant -> answer."""

    def ask(name, asked=None):
        client = CLIENTS[name]
        return available(lambda: client.answers(asked or questions(models, client.app), tools))

    return ask


@pytest.fixture(scope="session")
def cells(models, answers):
    """A function: name of a client -> variant -> cell on the golden vectors, asked once."""
    from benchmarks.clients.cell import Cell

    known = {}

    def ask(name):
        if name not in known:
            given = answers(name)
            asked = questions(models, CLIENTS[name].app)
            known[name] = {one.variant: Cell.judge(one, given[one.variant]) for one in asked}
        return known[name]

    return ask


@pytest.fixture(scope="session")
def float_variants(models):
    """Names of the variants with float arithmetic inside."""
    return [one.variant for one in questions(models) if one.card.content["arithmetic"] == "float"]


@pytest.fixture(scope="session")
def integer_variants(models):
    """Names of the variants that are integer from the pixels on: int8, int8-qat."""
    return [one.variant for one in questions(models) if one.tensors.dtype == "uint8" and "int8" in one.variant]
