"""The worker of a node: an actor of Ray that trains one run after another, asked by the run's `relay`.

It computes as a worker at home does (`computation.py`), in a copy of the run's folder, with a copy of the
dataset. On the presenter's own machine it uses the dataset and the cache that are there. Lent to another run, it
evaluates shards of that run's pictures (`shards`).
"""

import dataclasses
import gc
import logging
import os
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cluster.dataset_copy import Receiver, drop_old, has_dataset, home_of, remove_abandoned
from core.cluster.folder_copy import Changes, FolderReader, write_changes
from core.cluster.node_facts import describe_node
from core.config.train_config import TrainConfig, load_config
from core.datasets.dataset_store import DatasetStore
from core.jobs.workers.computation import LocalComputation, Outcome
from core.jobs.workers.held_run import HeldRun
from core.runs.run import Run
from core.settings import Settings
from core.steps import Request, Stopped, StopSignal

if TYPE_CHECKING:
    from core.cluster.shards import Evaluated, Shard, Shards
    from core.parallel.leader import Leader
    from core.stores.activations import Prefix

ROOT = "TUNEMYPETS_NODE_HOME"  # environment variable of a node: the folder of its copies
DEFAULT_ROOT = "~/.cache/tunemypets-node"
LEAVE_SECONDS = 20.0  # that a follower may take until its leader has let it go

log = logging.getLogger("tunemypets.cluster")


@dataclass(frozen=True)
class News:
    """What happened on the node since it was last asked.

    Attributes:
        computed: processor seconds of this process so far.
        seconds: since the run began, without the time between its attempts.
        outcome: how the computation ended; None while it runs.
        left: pictures that workers of other nodes could evaluate.
        lost: workers that were lent and have ended.
    """

    changes: Changes
    computed: float
    seconds: float
    outcome: Outcome | None
    left: int = 0
    lost: tuple[str, ...] = ()


class NodeWorker:
    """Trains a run: `open`, pieces of the dataset if it is not there, `begin`, `news` until an outcome, `close`."""

    def __init__(self) -> None:
        self._root = Path(os.environ.get(ROOT, DEFAULT_ROOT)).expanduser()
        self._shards: Shards | None = None
        self._prefix: Prefix | None = None
        self._leader: Leader | None = None
        self._invited: tuple[str, ...] = ()
        self._following: threading.Thread | None = None

    def wake(self) -> None:
        """Answer, which a new worker does after its start."""

    def describe(self) -> dict[str, Any]:
        """What this node is, from `describe_node`; afterwards a run begins at once."""
        return describe_node()

    def open(
        self, settings: Settings, run_id: str, fingerprint: str, now: float, *, at_home: bool = False, shared: str = ""
    ) -> None:
        """Make room for a run.

        Args:
            settings: of the presenter; the node has its own folder.
            run_id: the run's.
            fingerprint: of its dataset.
            now: the presenter's clock, in seconds since 1970: times in the event log are those of that clock.
            at_home: this is the presenter's machine: the run uses its dataset and its cache.
            shared: the device of the workers that evaluate the run's frozen part; empty where this one does alone.
        """
        self._clock_ahead = now - time.time()
        self._fingerprint = fingerprint
        self._home = home_of(self._root, fingerprint)
        self._settings = settings if at_home else dataclasses.replace(settings, home=self._home)
        self._prefix = self._shards = self._leader = None
        if shared:
            from core.cluster.shards import Shards

            self._shards = Shards(shared, 0 if at_home else settings.threads)
        place = self._home / "copies"
        place.mkdir(parents=True, exist_ok=True)
        remove_abandoned(place, "*")
        self._receiver: Receiver | None = None
        self._folder = Path(tempfile.mkdtemp(dir=place)) / run_id
        self._folder.mkdir()
        self._touch()
        self._outcome: Outcome | None = None

    def has_dataset(self, dataset_id: str) -> bool:
        """Whether the dataset need not be sent."""
        return has_dataset(self._settings, dataset_id, self._fingerprint)

    def receive(self, dataset_id: str, data: bytes, last: bool) -> None:
        """Take a piece of the dataset."""
        if self._receiver is None:
            drop_old(self._root, self._settings.cache_bytes, self._home)
            self._receiver = Receiver(self._settings, dataset_id)
        self._touch()
        self._receiver.add(data)
        if last:
            self._receiver.finish()

    def lead(self) -> str:
        """Let other workers compute parts of the run's steps; the address at which they find it."""
        from core.parallel.leader import Leader
        from core.parallel.process_group import host_store
        from core.stores.hardware import choose_device

        address = _own_address()
        store, port = host_store(address)
        self._invited = ()
        own_gpu = choose_device(self._settings).type == "cuda"
        self._leader = Leader(store, address, lambda: self._invited, nccl=own_gpu)
        return f"{address}:{port}"

    def invite(self, names: list[str]) -> None:
        """Let these followers, and no other ones, take part."""
        self._invited = tuple(names)

    def begin(self, files: Changes, *, evaluate_only: bool) -> None:
        """Start to compute, from what the run's folder has at home."""
        write_changes(self._folder, files)
        self._held = HeldRun(self._settings, Run(self._folder), self._clock_ahead)
        self._computation = LocalComputation(self._held, self._shards, self._leader)
        self._reader = FolderReader(self._folder, known=True)
        self._held.log.on_rewind = self._reader.cut
        threading.Thread(target=self._compute, args=(evaluate_only,), daemon=True).start()

    def _compute(self, evaluate_only: bool) -> None:
        try:
            self._outcome = self._computation.compute(evaluate_only=evaluate_only)
        except BaseException as error:
            self._outcome = Outcome(f"The training ended unexpectedly on its node ({type(error).__name__}).")
            raise

    def news(self) -> News:
        """What has changed in the run's folder, and whether the computation has ended."""
        self._touch()
        outcome = self._outcome  # before the last look at the folder
        left, lost = (self._shards.left, tuple(self._shards.lost())) if self._shards is not None else (0, ())
        return News(self._reader.read(), time.process_time(), self._held.log.seconds, outcome, left, lost)

    def lend(self, actors: dict[str, Any]) -> None:
        """Let these workers, and no other ones, evaluate the run's frozen part."""
        if self._shards is not None:
            self._shards.lend(actors)

    def hold(self, prefix: "Prefix") -> None:
        """Be ready to evaluate another run's frozen part."""
        from core.stores.hardware import choose_device, prepare_torch

        settings = Settings.from_environment()
        prepare_torch(settings, 0)
        device = choose_device(settings)
        self._prefix = dataclasses.replace(prefix, hardware=dataclasses.replace(prefix.hardware, device=device))
        self._prefix.hardware.place(prefix.network)

    def evaluate(self, shard: "Shard") -> "Evaluated":
        """What that frozen part gives for some pictures."""
        from core.cluster.shards import evaluate_shard

        assert self._prefix is not None  # it was held
        return evaluate_shard(self._prefix, shard, Settings.from_environment().threads)

    def follow(self, config: dict[str, Any], address: str, name: str) -> None:
        """Compute parts of the steps of another worker's run, until it ends or `leave`.

        Args:
            address: from the other worker's `lead`.
            name: of this follower.
        """
        self._signal = StopSignal()
        work = partial(self._follow, load_config(config), address, name)
        self._following = threading.Thread(target=work, daemon=True)
        self._following.start()

    def _follow(self, config: TrainConfig, address: str, name: str) -> None:
        from core.parallel.follower import follow
        from core.parallel.process_group import join_store

        host, _, port = address.rpartition(":")
        try:
            dataset = DatasetStore(self._settings).get(config.dataset)
            store = join_store(host, int(port))
            follow(config, dataset, self._settings, store, name, _own_address(), self._signal)
        except Stopped:
            pass
        except Exception:
            log.exception("%s follows no longer", name)

    def follows(self) -> bool:
        """Whether this worker still follows another one's run."""
        self._touch()
        return self._following is not None and self._following.is_alive()

    def leave(self) -> bool:
        """Follow no longer; whether this process can take a run."""
        shutil.rmtree(self._folder.parent, ignore_errors=True)
        if self._following is None:
            return True
        self._signal.ask(Request.STOP)
        self._following.join(LEAVE_SECONDS)
        free = not self._following.is_alive()
        self._following = None
        gc.collect()
        return free

    def _touch(self) -> None:
        """Keep others from removing what is in use."""
        os.utime(self._home)
        os.utime(self._folder.parent)

    def ask(self, request: Request) -> None:
        """Stop or pause."""
        self._held.signal.ask(request)

    def close(self) -> bool:
        """Forget the run; whether this process can take another one."""
        shutil.rmtree(self._folder.parent, ignore_errors=True)
        free = not self._computation.computing
        if self._leader is not None and free:
            self._leader.close()
        self._leader = None
        del self._computation, self._held, self._reader
        self._shards = None
        gc.collect()
        return free


def _own_address() -> str:
    """Of this machine, as the cluster's others see it."""
    import ray

    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]  # Ray leaves it untyped
