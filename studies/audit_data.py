"""What the audit finds in a data set of real X-rays, and how long it takes.

python -m studies.audit_data DATA [--weights FILE] [--json] [--out results]
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from freezenet.train.options import weights_option
from studies.command import StudyCommand, data_argument, hand_over, result_options


def measure(data: Path, weights: str) -> dict[str, Any]:
    """Return what `freezenet audit` finds, with the seconds and the processor's seconds that it took (JSON types)."""
    from freezenet.train.audit.audit import audit
    from freezenet.train.audit.options import AuditOptions

    wall, cpu = time.perf_counter(), time.process_time()
    found = audit(data, options=AuditOptions(weights=weights))
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    return {"data": data.name, "seconds": round(seconds, 1), "cpu_seconds": round(cpu_seconds, 1), **found}


@click.command(cls=StudyCommand)
@data_argument
@weights_option
@result_options
def main(data, weights, as_json, out) -> None:
    """Audit a data set and say how long it took."""
    found = measure(data, weights)
    took = f"{found['images']} images in {found['seconds']} s, {found['cpu_seconds']} s of the processor"
    said = [found["headline"], *found["verdict"], *found["details"], took]
    hand_over(found, f"audit-data-{data.stem}", "\n".join(said), as_json, out)


if __name__ == "__main__":
    main()
