"""How full the machine is."""

from core.room.occupancy import look_at_machine
from core.settings import Settings


def test_the_rooms_share_is_the_size_of_its_folders(settings: Settings) -> None:
    before = look_at_machine(settings)
    assert before.room_data == 0
    assert 0 < before.memory_used < before.memory_total
    assert 0 < before.disk_free <= before.disk_total
    settings.runs_dir.mkdir(parents=True)
    (settings.runs_dir / "file").write_bytes(bytes(1000))
    assert look_at_machine(settings).room_data == 1000
    assert 0 <= look_at_machine(settings).busy <= 1
