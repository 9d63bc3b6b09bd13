"""The frozen part of one training, evaluated by several machines: its pictures go to them in shards.

A shard is a row of pictures that follow each other in the store. Whatever node computes it, and however often, its
outputs are the same on like processors, and the run's own process writes them in order, as those of this machine.
"""

import heapq
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from core.datasets.pictures.decoder import Limits
from core.errors import ClusterError, TuneMyPetsError
from core.steps import StopSignal
from core.stores.activations import BATCH, Indices, Prefix, outputs
from core.stores.augmentation import Augmentation, Views
from core.stores.pixels import Pixels, PixelStore, decode_file

SHARD_SECONDS = 2.0  # of computing: a lost node costs two shards, and another training waits for as long
SHARD_BYTES = 4 * 2**20
AHEAD_BYTES = 256 * 2**20  # of pictures on their way and outputs that wait for earlier ones
STORE_SHARE = 0.25  # of Ray's object store, which may be smaller
QUEUED = 2  # shards of a worker: one that it computes, one that is on its way
MOST_LOSSES = 3  # of workers that had the same shard
LOOK_SECONDS = 0.25

log = logging.getLogger("tunemypets.cluster")

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Shard:
    """Pictures of a dataset, as they are on disk.

    Attributes:
        names, pictures: of each picture, its name and its file.
        views: of them; None for the plain one.
    """

    dataset_id: str
    names: tuple[str, ...]
    pictures: tuple[bytes, ...]
    views: Views | None
    augmentation: Augmentation
    limits: Limits


@dataclass(frozen=True)
class Evaluated:
    """What the frozen part gave for a shard, and the seconds that it took."""

    values: Values
    seconds: float


def evaluate_shard(prefix: Prefix, shard: Shard, threads: int) -> Evaluated:
    """Decode the pictures of a shard, and pass them through a frozen part: the same digits as from a pixel store.

    Raises:
        DatasetError: names a picture that cannot be read.
    """
    started = time.perf_counter()

    def decode(place: int) -> Pixels:
        data, name = shard.pictures[place], shard.names[place]
        return decode_file(data, name, shard.dataset_id, shard.limits, prefix.preprocessing)

    with ThreadPoolExecutor(threads) as pool:

        def take(places: Indices) -> Pixels:
            return np.stack(list(pool.map(decode, places)))

        found = list(outputs(prefix, take, len(shard.pictures), shard.views, shard.augmentation))
    return Evaluated(np.concatenate(found), time.perf_counter() - started)


@dataclass
class Lent:
    """A worker on a node, as the run that borrows it sees it.

    Attributes:
        actor: Ray's handle of a `NodeWorker`.
        has: the frozen part that it holds.
        rate: pictures a second; None until its first shard is back.
        queued: shards that it has.
    """

    actor: Any
    has: int = 0
    rate: float | None = None
    queued: int = 0


class Shards:
    """Evaluates frozen parts on workers that are lent for it; in the process that computes a run.

    Args:
        device: that all of them compute with, as torch names its type.
        threads: of this process, where it takes part; 0 where it does not.

    Attributes:
        left: pictures that are not evaluated yet: workers are wanted.
    """

    def __init__(self, device: str, threads: int = 0) -> None:
        self.device = device
        self.threads = threads
        self.left = 0
        self._lent: dict[str, Lent] = {}
        self._lost: list[str] = []
        self._prefixes = 0
        self._held: tuple[Prefix, Any] | None = None  # what workers are given to hold, and Ray's name of it
        self._lock = threading.Lock()

    def lend(self, actors: Mapping[str, Any]) -> None:
        """Use these workers from now on, and give no other one another shard.

        Args:
            actors: Ray's handles, by a name for each.
        """
        with self._lock:
            self._lent = {name: self._lent.get(name) or Lent(actor) for name, actor in actors.items()}

    def lost(self) -> list[str]:
        """Names of workers that have ended since the last call."""
        with self._lock:
            found, self._lost = self._lost, []
        return found

    def lose(self, name: str) -> None:
        """Take note that a worker has ended."""
        with self._lock:
            if self._lent.pop(name, None) is not None:
                self._lost.append(name)

    def workers(self) -> dict[str, Lent]:
        """Those that are lent now, by name."""
        with self._lock:
            return dict(self._lent)

    def outputs(
        self,
        prefix: Prefix,
        store: PixelStore,
        ordered: Indices,
        views: Views | None,
        augmentation: Augmentation,
        signal: StopSignal,
    ) -> Iterator[Values]:
        """What a frozen part gives for these images of the dataset, in their order.

        Raises:
            Stopped: the signal was set.
            DatasetError: names a picture that cannot be read.
            ClusterError: several workers have ended with the same pictures.
        """
        files = store.files
        assert files is not None
        rows = [files.rows[place] for place in store.positions[ordered]]

        def pack(first: int, last: int) -> Shard:
            chosen = rows[first:last]
            return Shard(
                files.dataset.id,
                tuple(row.name for row in chosen),
                tuple(files.dataset.read_image(row) for row in chosen),
                None if views is None else views.take(np.arange(first, last)),
                augmentation,
                files.limits,
            )

        import ray

        if self._held is None or self._held[0] is not prefix:
            self._prefixes += 1
            self._held = prefix, ray.put(prefix)
        sizes = np.array([row.bytes for row in rows]) + prefix.bytes_a_image()
        filling = _Filling(self, ray, self._prefixes, prefix, self._held[1], sizes, pack, _ahead_bytes(ray))
        self.left = len(rows)
        try:
            while self.left:
                signal.check()
                for values in filling.advance():
                    self.left -= len(values)
                    yield values
        finally:
            self.left = 0


@dataclass(frozen=True)
class _Flight:
    """A shard on its way: its first picture and the one after its last."""

    first: int
    last: int
    worker: str


@dataclass
class _Filling:
    """One frozen part on its way over all pictures of a split.

    Attributes:
        ray: the connected module.
        number: of the frozen part.
        held: Ray's name of it.
        sizes: bytes of each picture and of its outputs.
        pack: makes a shard of the pictures from one to before another.
        limit: bytes that may be on their way.
        begun: pictures that were given out at least once.
        written: pictures that have been yielded.
        again: shards that were lost, the first ones first.
        waiting: outputs by their first picture, until those before them are there.
    """

    shards: Shards
    ray: Any
    number: int
    prefix: Prefix
    held: Any
    sizes: npt.NDArray[np.int64]
    pack: Callable[[int, int], Shard]
    limit: int
    begun: int = 0
    written: int = 0
    again: list[tuple[int, int]] = field(default_factory=list)
    flying: dict[Any, _Flight] = field(default_factory=dict)
    waiting: dict[int, Values] = field(default_factory=dict)
    losses: Counter[int] = field(default_factory=Counter)

    def advance(self) -> Iterator[Values]:
        """Give out shards, wait a moment for results, and yield what follows what was yielded."""
        workers = self.shards.workers()
        for name, worker in workers.items():
            while worker.queued < QUEUED and self._send(name, worker, len(workers)):
                pass
        if self.shards.threads and (span := self._next(BATCH, SHARD_BYTES)) is not None:
            self.waiting[span[0]] = evaluate_shard(self.prefix, self.pack(*span), self.shards.threads).values
            self._collect(0.0)
        else:
            self._collect(LOOK_SECONDS)
        while self.written in self.waiting:
            values = self.waiting.pop(self.written)
            self.written += len(values)
            yield values

    def _send(self, name: str, worker: Lent, workers: int) -> bool:
        """Give a worker its next shard, if there is one for it."""
        # the last ones are small: nobody should wait for one worker
        fair = (len(self.sizes) - self.begun) // (QUEUED * workers)
        most = BATCH if worker.rate is None else max(BATCH, min(fair, int(worker.rate * SHARD_SECONDS)))
        span = self._next(most, min(SHARD_BYTES, self.limit // (QUEUED * workers + 1)))
        if span is None:
            return False
        if worker.has != self.number:
            worker.actor.hold.remote(self.held)
            worker.has = self.number
        self.flying[worker.actor.evaluate.remote(self.pack(*span))] = _Flight(*span, name)
        worker.queued += 1
        return True

    def _next(self, most: int, most_bytes: int) -> tuple[int, int] | None:
        """The next pictures to give out; None where there are none, or too much waits for earlier ones."""
        if self.again:
            return heapq.heappop(self.again)
        first = self.begun
        if first == len(self.sizes):
            return None
        sums = np.cumsum(self.sizes[first : first + most])
        count = max(BATCH, int((sums <= most_bytes).sum()) // BATCH * BATCH)
        last = min(first + count, len(self.sizes))
        ahead = int(self.sizes[self.written : first].sum())
        if ahead and ahead + int(sums[last - first - 1]) > self.limit:
            return None
        self.begun = last
        return first, last

    def _collect(self, seconds: float) -> None:
        """Take what is back within so many seconds."""
        if not self.flying:
            time.sleep(seconds)
            return
        back, _ = self.ray.wait(list(self.flying), num_returns=len(self.flying), timeout=0.0)
        if not back:
            back, _ = self.ray.wait(list(self.flying), num_returns=1, timeout=seconds)
        for ref in back:
            flight = self.flying.pop(ref)
            worker = self.shards.workers().get(flight.worker)
            if worker is not None:
                worker.queued -= 1
            found = self._get(ref, flight)
            if found is not None:
                self.waiting[flight.first] = found.values
                if worker is not None:
                    worker.rate = len(found.values) / max(1e-6, found.seconds)

    def _get(self, ref: Any, flight: _Flight) -> Evaluated | None:
        """What a worker answered; None where it was lost, and another one has to do it."""
        errors = self.ray.exceptions
        try:
            found: Evaluated = self.ray.get(ref)
            return found
        except errors.RayTaskError as error:
            if isinstance(error.cause, TuneMyPetsError):
                raise error.cause from error
            raise
        except errors.RayError as error:
            log.warning("pictures %d to %d were lost with %s: %s", flight.first, flight.last, flight.worker, error)
            self.shards.lose(flight.worker)
            heapq.heappush(self.again, (flight.first, flight.last))
            self.losses[flight.first] += 1
            if self.losses[flight.first] >= MOST_LOSSES:
                raise ClusterError(
                    f"{MOST_LOSSES} machines of the cluster ended while they passed the same pictures through the "
                    "network: see their Ray logs, and choose a smaller network if memory ran out."
                ) from error
            return None


def _ahead_bytes(ray: Any) -> int:
    """What may be on its way at any time, in bytes."""
    here = ray.get_runtime_context().get_node_id()
    stores = [node["Resources"].get("object_store_memory", 0.0) for node in ray.nodes() if node["NodeID"] == here]
    return int(min(AHEAD_BYTES, STORE_SHARE * (stores[0] if stores else AHEAD_BYTES)))
