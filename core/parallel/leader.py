"""The leader of a training over several processes: it gives out each step's parts, and adds up what comes back.

It holds all that a training is: weights, optimizer, schedule, random numbers, events, snapshots. Followers compute
gradients with the weights that they get in each step, so they may come and go: what nobody else computes, the leader
does. They find it, and each other, by a store: `facts` says how to prepare, `roster` who is in the present group, and
each follower notes in `ready NAME` the last group that it has left.
"""

import json
import logging
import time
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor

from core.parallel.process_group import END, HEADER, JOIN_SECONDS, STEP, BrokenGroupError, Group, Row, Store
from core.training.gradients import Batch, Compute, Gradients, Result, trainable_state

LOOK_SECONDS = 0.5  # between two looks at who is ready
SEND_SECONDS = 30.0  # that a follower may take for what it is sent
PATIENCE = 5.0  # times as long as the leader's own parts took, and SEND_SECONDS, until a follower is lost

FACTS, ROSTER, OVER = "facts", "roster", "over"  # keys of the store

log = logging.getLogger("tunemypets.parallel")


def ready_key(name: str) -> str:
    """Where a follower notes the last group that it has left."""
    return f"ready {name}"


class Leader:
    """Shares out the steps of one training.

    Args:
        store: that followers can reach; this process holds it.
        address: of this machine, as followers see it.
        wanted: names of the followers that may take part now.
        nccl: every process has a GPU of its own.
        gather_seconds: to wait for all wanted followers before the first step.
        send_seconds: that a follower may take for what it is sent.
    """

    def __init__(
        self,
        store: Store,
        address: str,
        wanted: Callable[[], Collection[str]],
        *,
        nccl: bool = False,
        gather_seconds: float = 0.0,
        send_seconds: float = SEND_SECONDS,
    ) -> None:
        self._store, self._address, self._wanted, self._nccl = store, address, wanted, nccl
        self.gather_seconds, self._send_seconds = gather_seconds, send_seconds
        self._members: tuple[str, ...] = ()
        self._group: Group | None = None
        self._number = 0
        self._left: dict[str, int] = {}  # the last group that each follower was in
        self._looked = 0.0
        self._rows: dict[tuple[str, int], Row] = {}  # by kind and stage
        self._messages: list[str] = []

    @property
    def processes(self) -> int:
        """How many compute now, this one included."""
        return 1 + len(self._members)

    def messages(self) -> list[str]:
        """What has happened since the last call, in sentences."""
        found, self._messages = self._messages, []
        return found

    def begin(self, facts: dict[str, Any], gradients: Gradients) -> Compute:
        """Let followers prepare; what computes the steps from now on.

        Args:
            facts: `hardware`, `preprocessing` and `feature_scale` of the training.
        """
        self._gradients = gradients
        self._parts = gradients.config.workers
        self._store.set(FACTS, json.dumps(facts))
        until = time.monotonic() + self.gather_seconds
        while self.gather_seconds and not set(self._ready()) >= set(self._wanted()) and time.monotonic() < until:
            time.sleep(0.05)
        return self.compute

    def compute(self, batch: Batch) -> Result:
        """The gradients of a batch. A part that a follower was lost with is computed here."""
        gradients = self._gradients
        gradients.start(batch)
        began = time.monotonic()
        shared = self._is_worthwhile() and self._share(batch)
        size = self.processes if shared else 1
        gradients.add(range(0, self._parts, size))
        seconds = self._send_seconds + PATIENCE * (time.monotonic() - began)
        if shared and not self._collect(batch.stage, seconds):
            gradients.add([part for part in range(self._parts) if part % size])
        return gradients.finish()

    def close(self) -> None:
        """Let all followers go."""
        try:
            self._leave_group()
            self._store.set(OVER, "1")
        except RuntimeError:
            log.info("followers could not be released")

    def _is_worthwhile(self) -> bool:
        """Whether more than the head is trained now."""
        network = self._gradients.network
        return network.freeze_point != list(network.blocks)[-1]

    def _share(self, batch: Batch) -> bool:
        """Send a step to the followers, if there are any."""
        self._regroup()
        if self._group is None:
            return False
        try:
            header = torch.zeros(HEADER + self._gradients.config.batch_size, dtype=torch.float64)
            places = torch.from_numpy(batch.places)
            facts = [STEP, batch.stage, batch.epoch, batch.seen, batch.scale, len(places)]
            header[:HEADER] = torch.tensor(facts, dtype=torch.float64)
            header[HEADER : HEADER + len(places)] = places
            self._group.broadcast(header, self._send_seconds)
            weights = weights_of(self._gradients)
            numbers = self._row_of("weights", batch.stage, weights).pack(weights)
            self._group.broadcast_data(numbers.to(self._group.device), self._send_seconds)
        except BrokenGroupError as error:
            self._lose(error)
            return False
        return True

    def _collect(self, stage: int, seconds: float) -> bool:
        """Add what the followers have computed; False if one is lost."""
        assert self._group is not None
        summands = self._gradients.summands()
        row = self._row_of("summands", stage, summands)
        numbers = row.pack(summands).to(self._group.device)
        try:
            self._group.reduce(numbers, seconds)
        except BrokenGroupError as error:
            self._lose(error)
            return False
        row.unpack(numbers, summands)
        return True

    def _row_of(self, kind: str, stage: int, like: list[Tensor]) -> Row:
        if (kind, stage) not in self._rows:
            self._rows[kind, stage] = Row(like, self._gradients.device)
        return self._rows[kind, stage]

    def _ready(self) -> list[str]:
        """The wanted followers that wait for a group or are in the present one."""
        found = [
            name
            for name in sorted(self._wanted())
            if name in self._members or self._last_left(name) == self._left.get(name, 0)
        ]
        return found[: self._parts - 1]

    def _last_left(self, name: str) -> int | None:
        """The last group that a follower says it has left; None before it is ready."""
        key = ready_key(name)
        return int(self._store.get(key)) if self._store.check([key]) else None

    def _regroup(self) -> None:
        """Make a group of those that are ready, where they are other ones than before."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        ready = tuple(self._ready())
        if ready == self._members:
            return
        if self._members:  # those that stay come back in a moment
            self._leave_group()
            return
        self._number += 1
        self._left |= dict.fromkeys(ready, self._number)
        roster = {"number": self._number, "members": ready, "nccl": self._nccl}
        self._store.set(ROSTER, json.dumps(roster))
        try:
            self._group = Group(self._store, self._number, 0, 1 + len(ready), self._address, nccl=self._nccl)
        except BrokenGroupError as error:
            log.warning("%s did not come within %.0f s: %s", ", ".join(ready), JOIN_SECONDS, error)
            return
        self._members = ready
        self._messages.append(f"{self.processes} workers compute each step together.")

    def _leave_group(self) -> None:
        """End the group; its followers wait for another one."""
        group, self._group, self._members = self._group, None, ()
        if group is not None:
            with_end = torch.zeros(HEADER + self._gradients.config.batch_size, dtype=torch.float64)
            with_end[0] = END
            try:
                group.broadcast(with_end, self._send_seconds)
            except BrokenGroupError as error:
                log.info("a follower has ended already: %s", error)
            group.close()

    def _lose(self, error: BrokenGroupError) -> None:
        """Continue without the group."""
        log.warning("a follower of %s is lost: %s", ", ".join(self._members), error)
        group, self._group, self._members = self._group, None, ()
        if group is not None:
            group.close()
        self._messages.append("A worker was lost: the training continues with those that are left.")


def weights_of(gradients: Gradients) -> list[Tensor]:
    """What followers get in each step: all that is trained, and batch norm's statistics."""
    return [value for value in trainable_state(gradients.network).values() if value.is_floating_point()]
