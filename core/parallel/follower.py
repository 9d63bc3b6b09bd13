"""A follower: it computes parts of the steps of a training that another process leads, and keeps nothing.

Its preparation is that of the leader: the same pictures in the same splits, the same network, and the stored
activations of a frozen part, from this machine's cache.
"""

import json
import logging
import time
from typing import Any

import numpy as np
import torch

from core.checkpoints.preprocessing import read_preprocessing
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import ConfigError
from core.parallel.leader import FACTS, OVER, ROSTER, SEND_SECONDS, ready_key, weights_of
from core.parallel.process_group import END, HEADER, BrokenGroupError, Group, Row, Store
from core.settings import Settings
from core.steps import StopSignal, run_step
from core.stores.hardware import number_formats
from core.training.gradients import Batch, Gradients
from core.training.preparation import Prepared, prepare

IDLE_SECONDS = 6 * 3600.0  # that the leader may take between two steps: it validates alone
POLL_SECONDS = 0.05

log = logging.getLogger("tunemypets.parallel")


def follow(
    config: TrainConfig,
    dataset: Dataset,
    settings: Settings,
    store: Store,
    name: str,
    address: str,
    signal: StopSignal,
) -> None:
    """Prepare, then compute parts until the leader has no more of them.

    Args:
        store: that the leader holds.
        name: of this follower, by which the leader knows it.
        address: of this machine, as the leader sees it.

    Raises:
        Stopped: `signal` was set; it is looked at between two groups.
        RuntimeError: the leader has ended.
        TuneMyPetsError: as a training raises it.
    """
    if not _wait_for(store, FACTS, signal):
        return
    prepared = _prepare(config, dataset, settings, json.loads(store.get(FACTS)), signal)
    gradients = Gradients(prepared.network, prepared.data, config, prepared.feeds, prepared.hardware.device)
    number = 0
    store.set(ready_key(name), str(number))
    log.info("%s is ready", name)
    while _wait_for(store, ROSTER, signal):
        roster = json.loads(store.get(ROSTER))
        if roster["number"] == number or name not in roster["members"]:
            time.sleep(POLL_SECONDS)
            signal.check()
            continue
        number, members = roster["number"], roster["members"]
        try:
            rank = 1 + members.index(name)
            group = Group(store, number, rank, 1 + len(members), address, nccl=roster["nccl"])
            try:
                _serve(group, gradients, prepared)
            finally:
                group.close()
        except BrokenGroupError as error:
            log.info("group %d has ended: %s", number, error)
        store.set(ready_key(name), str(number))


def _wait_for(store: Store, key: str, signal: StopSignal) -> bool:
    """Wait for a key; False if the training is over."""
    while not store.check([OVER]):
        signal.check()
        if store.check([key]):
            return True
        time.sleep(POLL_SECONDS)
    return False


def _prepare(
    config: TrainConfig, dataset: Dataset, settings: Settings, facts: dict[str, Any], signal: StopSignal
) -> Prepared:
    earlier = {**facts["hardware"], "threads": settings.threads}
    spec = read_preprocessing(config, facts["preprocessing"])
    prepared = run_step(prepare(config, dataset, settings, signal, earlier, spec, facts["feature_scale"]))
    precision = prepared.hardware.precision
    if precision not in ("fp16", *number_formats(prepared.hardware.device)):
        raise ConfigError({"precision": f"This machine would have to emulate {precision}: choose the precision fp32."})
    return prepared


def _serve(group: Group, gradients: Gradients, prepared: Prepared) -> None:
    """Compute parts until the leader ends the group.

    Raises:
        BrokenGroupError: another member has ended.
    """
    config, network = gradients.config, gradients.network
    header = torch.zeros(HEADER + config.batch_size, dtype=torch.float64)
    stage = -1
    while True:
        group.broadcast(header, IDLE_SECONDS)
        if int(header[0]) == END:
            return
        _, at, epoch, seen = (int(value) for value in header[:4])
        if at != stage:
            stage = at
            network.freeze(prepared.stages[stage].freeze_point)
            network.train()
            weights = Row(weights_of(gradients), gradients.device)
            sums: Row | None = None
        numbers = weights.numbers.to(group.device)
        group.broadcast_data(numbers, SEND_SECONDS)
        weights.unpack(numbers, weights_of(gradients))
        for parameter in gradients.trainable():
            parameter.grad = None
        places = header[HEADER : HEADER + int(header[5])].numpy().astype(np.int64)
        gradients.start(Batch(stage, epoch, seen, places, float(header[4])))
        gradients.add(range(group.rank, config.workers, group.size))
        summands = gradients.summands()
        sums = sums or Row(summands, gradients.device)
        group.reduce(sums.pack(summands).to(group.device), IDLE_SECONDS)
