"""Processes that exchange tensors: the first one leads. Gloo over TCP, and NCCL where each process has its own GPU.

Groups are made without torch's global one: a broken group is thrown away, and another one is made with who is left.
"""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

dist: Any = distributed  # torch's stubs lack half of what is used here
Store = Any  # `torch.distributed.Store`: keys and values that all members reach

JOIN_SECONDS = 10.0  # until all members of a group have met

HEADER = 6  # numbers before the places: command, stage, epoch, pictures seen, scale of the loss, how many places
END, STEP = 0, 1  # commands


class BrokenGroupError(Exception):
    """A member has ended, or does not answer in time."""


@contextlib.contextmanager
def _broken_where_lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch raises it for all that goes wrong here
        raise BrokenGroupError(str(error)) from error


def open_file(path: Path) -> Store:
    """A store in a file, for processes of one machine."""
    return dist.FileStore(str(path))


def host_store(address: str) -> tuple[Store, int]:
    """A store on this machine for processes of others, and its port."""
    store = dist.TCPStore(address, 0, None, True, timedelta(seconds=JOIN_SECONDS), wait_for_workers=False)
    return store, int(store.port)


def join_store(address: str, port: int) -> Store:
    """The store that another machine hosts.

    Raises:
        RuntimeError: it does not answer.
    """
    return dist.TCPStore(address, port, None, False, timedelta(seconds=JOIN_SECONDS))


class Group:
    """The leader (rank 0) and some followers.

    Args:
        store: by which they find each other.
        number: of this group, which no other one with this store has.
        address: of this process's machine in the network that the others see.
        nccl: each process has a GPU of its own.

    Attributes:
        device: where tensors for `broadcast_data` and `reduce` have to be.

    Raises:
        BrokenGroupError: not all members have come.
    """

    def __init__(self, store: Store, number: int, rank: int, size: int, address: str, *, nccl: bool) -> None:
        self.rank, self.size = rank, size
        self.device = torch.device("cuda" if nccl else "cpu")
        own = dist.PrefixStore(f"group {number}", store)
        own.set_timeout(timedelta(seconds=JOIN_SECONDS))
        with _broken_where_lost():
            options = dist.ProcessGroupGloo._Options()
            options._timeout = timedelta(seconds=JOIN_SECONDS)
            options._devices = [dist.ProcessGroupGloo.create_device(hostname=address)]
            self._control = dist.ProcessGroupGloo(dist.PrefixStore("gloo", own), rank, size, options)
            self._data = self._control
            if nccl:
                chosen = dist.ProcessGroupNCCL.Options()
                chosen._timeout = timedelta(seconds=JOIN_SECONDS)
                self._data = dist.ProcessGroupNCCL(dist.PrefixStore("nccl", own), rank, size, chosen)

    def broadcast(self, tensor: Tensor, seconds: float) -> None:
        """Give all members the leader's numbers: a small tensor on the processor.

        Raises:
            BrokenGroupError: it took longer than `seconds`, or a member has ended.
        """
        self._broadcast(self._control, tensor, seconds)

    def broadcast_data(self, tensor: Tensor, seconds: float) -> None:
        """The same with a tensor on `device`."""
        self._broadcast(self._data, tensor, seconds)

    def reduce(self, tensor: Tensor, seconds: float) -> None:
        """Give the leader the sum over all members, in place; the others' tensors hold nothing useful afterwards."""
        options = dist.ReduceOptions()
        options.rootRank, options.timeout = 0, timedelta(seconds=seconds)
        with _broken_where_lost():
            self._data.reduce([tensor], options).wait()

    def close(self) -> None:
        """Leave; what the others wait for fails."""
        for group in {self._control, self._data}:
            with contextlib.suppress(RuntimeError):
                group.abort()
        del self._control, self._data

    @staticmethod
    def _broadcast(group: Any, tensor: Tensor, seconds: float) -> None:
        options = dist.BroadcastOptions()
        options.rootRank, options.timeout = 0, timedelta(seconds=seconds)
        with _broken_where_lost():
            group.broadcast([tensor], options).wait()


class Row:
    """Several tensors as one row of numbers, for one message.

    Args:
        like: tensors of these shapes and layouts; float32.
    """

    def __init__(self, like: Sequence[Tensor], device: torch.device) -> None:
        self.numbers = torch.zeros(sum(tensor.numel() for tensor in like), device=device)
        self._views, first = [], 0
        for tensor in like:
            part = self.numbers[first : first + tensor.numel()]
            # in the tensor's own order in memory, where that has no gaps: the copies are then plain ones
            dense = tensor.is_contiguous() or tensor.is_contiguous(memory_format=torch.channels_last)
            self._views.append(part.as_strided(tensor.shape, tensor.stride(), part.storage_offset()) if dense
                               else part.view(tensor.shape))  # fmt: skip
            first += tensor.numel()

    def pack(self, tensors: Sequence[Tensor]) -> Tensor:
        """The row, with the numbers of these tensors."""
        with torch.no_grad():
            for view, tensor in zip(self._views, tensors, strict=True):
                view.copy_(tensor)
        return self.numbers

    def unpack(self, numbers: Tensor, tensors: Sequence[Tensor]) -> None:
        """Give tensors the numbers of a row."""
        with torch.no_grad():
            if numbers is not self.numbers:
                self.numbers.copy_(numbers)
            for view, tensor in zip(self._views, tensors, strict=True):
                tensor.copy_(view)
