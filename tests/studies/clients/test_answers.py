"""A client that ends its process loses one answer; one that cannot be imported is missing."""

from __future__ import annotations

import sys

import pytest

from studies.clients import answers
from studies.clients.question import questions
from studies.tools import MissingToolError

#: Dies at one variant, raises at another, and answers the rest.
PROGRAM = f"""
import os, sys
sys.path.insert(0, {str(answers.PROGRAMS)!r})
from answering import answer_all

def prepare(request):
    import freezenet.edge_runtime
    if request["broken"]:
        import no_such_module
    def answer(question):
        if question["variant"] == "float16":
            os.abort()
        if question["variant"] == "dynamic":
            raise RuntimeError("operator of version 12\\nis unknown.")
        return {{"scores": [[1.0]]}}
    return answer

answer_all(prepare)
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    (tmp_path / "crashes.py").write_text(PROGRAM)
    monkeypatch.setattr(answers, "PROGRAMS", tmp_path)
    return "crashes"


def test_a_crash_costs_one_answer(models, program):
    found = answers.ask([sys.executable], program, questions(models), broken=False)
    assert found["float16"] == {"cannot": "the process was ended by SIGABRT"}
    assert found["dynamic"] == {"cannot": "operator of version 12 is unknown"}
    assert found["float32"] == found["int8"] == {"scores": [[1.0]]}


def test_what_cannot_be_imported_is_missing(models, program):
    with pytest.raises(
        MissingToolError, match=r"can be imported is required\. Got: No module named 'no_such_module'\."
    ):
        answers.ask([sys.executable], program, questions(models), broken=True)


def test_an_endless_client_is_stopped(models, tmp_path, monkeypatch):
    (tmp_path / "sleeps.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(answers, "PROGRAMS", tmp_path)
    monkeypatch.setattr(answers, "TIMEOUT", 0.2)
    found = answers.ask([sys.executable], "sleeps", questions(models)[:1])
    assert found == {"float32": {"cannot": "no answer within 0.2 seconds"}}
