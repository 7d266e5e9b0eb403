"""The engine of a Ray cluster: Ray Data sends the inputs to actors and their rows back, and does again what a lost machine had in work."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from freezenet.edge_runtime.errors import FreezenetError, one_line
from freezenet.edge_runtime.screen.engines.actor import ScreenActor
from freezenet.edge_runtime.screen.engines.answers import PATIENCE, Answering, Row
from freezenet.edge_runtime.screen.manifest import Shard
from freezenet.edge_runtime.screen.rows import rows_of
from freezenet.edge_runtime.system.cluster import connect, require_listener

#: Inputs of a block, which one actor answers before it gets the next, and of a call of it.
_BLOCK, _BATCH = 512, 64
#: Bytes of memory of an actor and of the process that it holds, for Ray to find room for.
_ACTOR_BYTES = 1 << 30


class RayEngine:
    """Answers with actors of a cluster.

    Args:
        answering: What they are to do; known content is answered again, as other machines do not have the index.
        address: host:port or ray://host:port of the cluster; "local" starts one on this machine; None keeps the connection that this
            process has.
        workers: Actors; None: as many as the cluster has cores for when it starts.

    Raises:
        SettingError: There is no cluster.
    """

    def __init__(self, answering: Answering, address: str | None = "local", workers: int | None = None) -> None:
        """Connect with the cluster."""
        self._answering, self._address, self._workers = answering, address, workers
        self._owns = address is not None
        if address is not None:
            require_listener(address)
            connect(address, {"OMP_NUM_THREADS": "1"})

    def rows(self, shards: Iterator[Shard]) -> Iterator[Row]:
        """Yield the rows of all inputs in their order.

        Args:
            shards: All of them are listed before the first one is answered.

        Raises:
            FreezenetError: No input can be answered, or the cluster failed.
        """
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            dataset = self._dataset([block for shard in shards for block in _blocks(shard)])
            if dataset is None:
                return
            for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
                yield from rows_of(batch)
        except RayTaskError as error:
            # What the actor said, without Ray's story of how it got here.
            cause = error.cause
            raise cause if isinstance(cause, FreezenetError) else _failed(error) from None
        except RayError as error:
            raise _failed(error) from None
        finally:
            if self._owns:
                ray.shutdown()

    def patient(self) -> RayEngine:
        """Return one that gives each file more time; only when this one is at its end."""
        return RayEngine(replace(self._answering, patience=PATIENCE), self._address, 1)

    def close(self) -> None:
        """End the connection."""
        import ray

        if self._owns:
            ray.shutdown()

    def _dataset(self, blocks: list[Any]) -> Any:
        import ray
        from ray.data import ActorPoolStrategy, DataContext

        if not blocks:
            return None
        context = DataContext.get_current()
        # In their order, so that few shards are in the memory of this process at a time.
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        threads = self._answering.classifier.interpreter.threads
        workers = self._workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
        answering = self._answering
        return ray.data.from_arrow(blocks).map_batches(
            ScreenActor,
            fn_constructor_args=[answering.classifier],
            fn_constructor_kwargs={
                "cam": answering.cam,
                "only": answering.only,
                "plain_uids": answering.plain_uids,
                "patience": answering.patience,
            },
            batch_size=_BATCH,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(min_size=1, max_size=min(workers, len(blocks))),
            num_cpus=threads,
            memory=_ACTOR_BYTES,
        )


def _blocks(shard: Shard) -> list[Any]:
    """Return the inputs of a shard in pieces for one actor each."""
    return [shard.inputs.slice(start, _BLOCK) for start in range(0, len(shard), _BLOCK)]


def _failed(error: Exception) -> FreezenetError:
    return FreezenetError(f"A cluster that finishes its work is required. Got: {one_line(error)}.")
