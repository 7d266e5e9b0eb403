"""The process that runs the command on damaged models: one that it does not outlive is a finding and not the end of the run.

Started by `studies.stress.mutations.run`: reads a JSON line {"arguments": [[...], ...]} on standard input, runs `freezenet` with each of these
lists, and writes one JSON line [{"code", "out", "err", "seconds"}, ...].
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import sys
import time
from typing import Any

from freezenet import cli

#: Address space that the command may take, in bytes.
_SPACE = 8 << 30


def main() -> None:
    """Answer until standard input ends."""
    replies = os.fdopen(os.dup(1), "w")
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    resource.setrlimit(resource.RLIMIT_AS, (_SPACE, _SPACE))
    for line in sys.stdin:
        print(json.dumps([_run(one) for one in json.loads(line)["arguments"]]), file=replies, flush=True)


def _run(arguments: list[str]) -> dict[str, Any]:
    out, err, started = io.StringIO(), io.StringIO(), time.perf_counter()
    sys.argv = ["freezenet", *arguments]
    code: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        except BaseException as error:
            code = f"{type(error).__name__}: {error}"[:500]
    seconds = time.perf_counter() - started
    return {"code": code, "out": out.getvalue()[:20_000], "err": err.getvalue()[:20_000], "seconds": seconds}


if __name__ == "__main__":
    main()
