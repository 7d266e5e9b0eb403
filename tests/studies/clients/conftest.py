"""The clients and what they are asked."""

from __future__ import annotations

import os
import shutil

import pytest

from studies.clients.matrix import CLIENTS
from studies.clients.question import questions
from studies.tools import MissingToolError


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
def answers(models, tools):
    """A function: name of a client, questions (all golden ones if None) -> variant -> answer."""

    def ask(name, asked=None):
        client = CLIENTS[name]
        return available(lambda: client.answers(asked or questions(models, client.app), tools))

    return ask


@pytest.fixture(scope="session")
def cells(models, answers):
    """A function: name of a client -> variant -> cell on the golden vectors, asked once."""
    from studies.clients.cell import Cell

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
