"""Chatter is kept back, results and failures are not. In a process of its own, because file descriptors are moved."""

from __future__ import annotations

import os
import subprocess
import sys

CHATTER = """
import os, sys
from freezenet.train.quiet import quiet
print("before")
{guard}
    with quiet():
        print("python out"); print("python err", file=sys.stderr)
        os.write(1, b"native out\\n"); os.write(2, b"native err\\n")
        {then}
{after}
print("after"); print("talk", file=sys.stderr)
os.write(1, b"")
sys.stdout.flush()
"""


def run(guard: str = "if True:", then: str = "pass", after: str = "") -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    code = CHATTER.format(guard=guard, then=then, after=after)
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)


def test_nothing_passes_while_all_is_well():
    done = run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "before\nafter\n", "talk\n")


def test_everything_passes_to_stderr_when_it_fails():
    done = run("try:", "raise ValueError('boom')", "except ValueError as error:\n    print(error)")
    assert done.stdout == "before\nboom\nafter\n"
    for line in ("python out", "python err", "native out", "native err"):
        assert done.stderr.count(line) == 1
    assert done.stderr.endswith("talk\n")


def test_descriptors_are_not_leaked():
    done = run(after="print(len(os.listdir('/proc/self/fd')))\nfor _ in range(20):\n    with quiet(): pass\n"
                     "print(len(os.listdir('/proc/self/fd')))")  # fmt: skip
    _, first, second, _ = done.stdout.split()
    assert first == second
