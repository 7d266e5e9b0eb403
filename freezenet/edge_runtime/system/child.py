"""Start a module of this package in a process of its own, where no file of the current folder can take a module's place."""

from __future__ import annotations

import sys
from pathlib import Path

#: `python -m` puts the current folder first on the path: a `queue.py` there would be imported in the standard library's place.
#: What is named on the command line is this package's own folder, last, for a clone that is not installed.
_START = (
    "import sys; sys.path[:] = [one for one in sys.path if one] + [sys.argv.pop(1)]; "
    "from freezenet.edge_runtime.system.start import prepare_process; prepare_process(); "
    "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module as `python -m` does, but for the current folder, which is not searched.

    Args:
        module: dotted name, for example "freezenet.benchmarks.latency".
        arguments: what the module finds in `sys.argv[1:]`.
    """
    root = Path(__file__).resolve().parents[3]
    return [sys.executable, "-c", _START, str(root), module, *arguments]
