"""How busy and full the machine is, and how much of that is this room."""

import shutil
from dataclasses import dataclass

import psutil

from core.quotas import free_bytes, room_usage
from core.settings import Settings

LOOK_SECONDS = 0.2  # how long the processor is watched


@dataclass(frozen=True)
class Machine:
    """One look at the machine; bytes."""

    memory_used: int
    memory_total: int
    disk_free: int
    disk_total: int
    room_data: int  # datasets, runs, uploads
    busy: float  # share of all cores, 0 to 1


def look_at_machine(settings: Settings) -> Machine:
    """Measure. It walks the whole data root: call it every few seconds at most, once for all sessions."""
    memory, folder = psutil.virtual_memory(), settings.home
    while not folder.exists():
        folder = folder.parent
    return Machine(
        memory_used=memory.total - memory.available,
        memory_total=memory.total,
        disk_free=free_bytes(settings),
        disk_total=shutil.disk_usage(folder).total,
        room_data=room_usage(settings),
        busy=psutil.cpu_percent(interval=LOOK_SECONDS) / 100,
    )
