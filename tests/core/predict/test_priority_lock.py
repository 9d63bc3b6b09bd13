"""Urgent requests go before long background work."""

import threading
import time

from core.predict.priority_lock import PriorityLock
from tests.support.processes import wait_for


def test_an_urgent_request_runs_between_two_pieces_of_background_work() -> None:
    lock, order, begun = PriorityLock(), [], threading.Event()

    def work_long() -> None:
        with lock.background():
            begun.set()
            for piece in range(200):
                time.sleep(0.005)
                order.append(f"piece {piece}")
                assert lock.let_urgent_pass() is False

    worker = threading.Thread(target=work_long)
    worker.start()
    begun.wait(5)
    waits = []
    for number in range(10):
        asked = time.monotonic()
        with lock.urgent():
            waits.append(time.monotonic() - asked)
            order.append(f"urgent {number}")
    worker.join(30)
    assert order.index("urgent 9") < order.index("piece 199"), "answered during the long work"
    assert len(order) == 210
    assert sorted(waits)[5] < 0.2


def test_only_one_holds_the_lock_and_a_failure_releases_it() -> None:
    lock, inside, most = PriorityLock(), [0], [0]

    def hold(urgent: bool) -> None:
        for _ in range(50):
            with lock.urgent() if urgent else lock.background():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.0005)
                inside[0] -= 1

    threads = [threading.Thread(target=hold, args=(number % 2 == 0,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most[0] == 1
    try:
        with lock.background():
            raise KeyError
    except KeyError:
        pass
    done = []
    threading.Thread(target=lambda: (lock.urgent().__enter__(), done.append(1))).start()
    wait_for(lambda: bool(done))


def test_background_work_waits_while_an_urgent_request_does() -> None:
    lock, order = PriorityLock(), []
    first = lock.urgent()
    first.__enter__()

    def take(urgent: bool, name: str) -> None:
        with lock.urgent() if urgent else lock.background():
            order.append(name)

    background = threading.Thread(target=take, args=(False, "background"))
    background.start()
    time.sleep(0.05)
    urgent = threading.Thread(target=take, args=(True, "urgent"))
    urgent.start()
    wait_for(lambda: lock._urgent == 1)
    first.__exit__(None, None, None)
    background.join(5)
    urgent.join(5)
    assert order == ["urgent", "background"]
