"""What C libraries print is dropped while nobody else can print. In a process of its own: file descriptors are moved."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = """
import os, sys, threading
from freezenet.edge_runtime.system.chatter import without_chatter
{before}
before = len(os.listdir("/proc/self/fd"))
try:
    with without_chatter():
        os.write(2, b"libpng error\\n")
        {inside}
except ValueError as error:
    print(error)
assert len(os.listdir("/proc/self/fd")) == before
print("talk", file=sys.stderr)
"""


def said(before: str = "", inside: str = "pass", close: bool = False) -> tuple[str, str]:
    program = [sys.executable, "-c", CODE.format(before=before, inside=inside)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = ["sh", "-c", '"$@" 2>&-', "sh", *program] if close else program
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_it_is_dropped_and_the_own_talk_is_not():
    assert said() == ("", "talk\n")


def test_stderr_is_back_after_a_failure():
    assert said(inside="raise ValueError('damaged')") == ("damaged\n", "talk\n")


def test_the_line_of_another_thread_is_not_lost():
    thread = "threading.Thread(target=threading.Event().wait, daemon=True).start()"
    assert said(before=thread) == ("", "libpng error\ntalk\n")


def test_a_process_without_stderr_reads_all_the_same():
    assert said(inside="pass", before="os.write = lambda *_: None", close=True)[1] == ""
