"""Keep the C++ chatter of TensorFlow away from the user, unless something fails."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Collect what is written to stdout and stderr, by C++ too; pass it on to stderr when the block raises.

    The converter prints a page of tensor names on stdout, which is for data, and TensorFlow's libraries log before
    any log level applies.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [(stream, os.dup(stream)) for stream in (1, 2)]
    # A notebook or a test replaces sys.stdout by an object that is no file.
    printed = io.StringIO()
    with tempfile.TemporaryFile() as sink:
        for stream, _ in kept:
            os.dup2(sink.fileno(), stream)
        failed = True
        try:
            with contextlib.redirect_stdout(printed):
                yield
            failed = False
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for stream, copy in kept:
                os.dup2(copy, stream)
                os.close(copy)
            if failed:
                sink.seek(0)
                sys.stderr.write(printed.getvalue() + sink.read().decode(errors="replace"))
