"""Workers that one run borrows from all nodes, while its frozen part is evaluated."""

import logging
import time
from collections.abc import Callable, Sequence

from core.cluster.ray_link import HOME, Nodes, RemoteWorker
from core.config.stages import plan_stages
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.jobs.nodes import Node
from core.settings import Settings

ASK_SECONDS = 1.0  # between two looks for workers that are free

log = logging.getLogger("tunemypets.cluster")


def shares_pictures(settings: Settings, config: TrainConfig, dataset: Dataset) -> bool:
    """Whether the pictures of a training are many, and pass through a frozen part whose outputs are kept."""
    frozen = any(stage.freeze_point is not None for stage in plan_stages(config, config.entry()))
    return frozen and config.views > 0 and len(dataset.rows) >= settings.shared_images


class Lending:
    """The workers that a run has borrowed.

    Args:
        remote: computes the run, and gives them their work.
        node: where that is.
    """

    def __init__(self, nodes: Nodes, remote: RemoteWorker, node: Node) -> None:
        self.device = nodes.computes_with() if node.id == HOME else "cuda" if node.gpus else "cpu"
        self._nodes, self._remote = nodes, remote
        self._lent: dict[str, RemoteWorker] = {}
        self._names = 0
        self._looked = 0.0

    @property
    def lends(self) -> bool:
        """Whether any worker is borrowed now."""
        return bool(self._lent)

    def follow(self, left: int, lost: Sequence[str], beat: Callable[[], None]) -> None:
        """Borrow what is free while it is wanted, and give back what is not, or what another run waits for.

        Args:
            left: pictures that are not evaluated yet.
            lost: workers that have ended.

        Raises:
            NodeLostError, RunLostError: the run's own worker does not answer.
        """
        for name in lost:
            if name in self._lent:
                self._lent.pop(name).end()
        before = set(self._lent)
        back = [name for name, worker in self._lent.items() if not left or self._nodes.is_awaited(worker.node)]
        kept = {name: worker for name, worker in self._lent.items() if name not in back}
        if left and time.monotonic() - self._looked > ASK_SECONDS:
            self._looked = time.monotonic()
            for worker in self._nodes.borrow(self.device):
                self._names += 1
                kept[f"{worker.node.name}#{self._names}"] = worker
        given = [self._lent[name] for name in back]
        self._lent = kept
        try:
            if kept.keys() != before:
                log.info("lending %d workers", len(kept))
                self._remote.call(beat, "lend", {name: worker.actor for name, worker in kept.items()})
        finally:
            for worker in given:
                self._nodes.give_back(worker)

    def close(self) -> None:
        """Give everything back; the last shards of a run that was stopped take two seconds."""
        for worker in self._lent.values():
            self._nodes.give_back(worker)
        self._lent = {}
