"""Whoever is waited for goes before what takes long."""

import threading
import time

from core.predict.turns import Turns
from tests.support.processes import wait_for


def test_an_urgent_one_goes_between_two_pieces_of_patient_work() -> None:
    turns, order, begun = Turns(), [], threading.Event()

    def work_long() -> None:
        with turns.patient():
            begun.set()
            for piece in range(200):
                time.sleep(0.005)
                order.append(f"piece {piece}")
                assert turns.step_aside() is False

    worker = threading.Thread(target=work_long)
    worker.start()
    begun.wait(5)
    waits = []
    for number in range(10):
        asked = time.monotonic()
        with turns.urgent():
            waits.append(time.monotonic() - asked)
            order.append(f"urgent {number}")
    worker.join(30)
    assert order.index("urgent 9") < order.index("piece 199"), "it was answered while the long work went on"
    assert len(order) == 210
    assert sorted(waits)[5] < 0.2


def test_only_one_holds_it_and_a_failure_gives_it_back() -> None:
    turns, inside, most = Turns(), [0], [0]

    def hold(urgent: bool) -> None:
        for _ in range(50):
            with turns.urgent() if urgent else turns.patient():
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
        with turns.patient():
            raise KeyError
    except KeyError:
        pass
    done = []
    threading.Thread(target=lambda: (turns.urgent().__enter__(), done.append(1))).start()
    wait_for(lambda: bool(done))


def test_patient_ones_wait_while_somebody_urgent_does() -> None:
    turns, order = Turns(), []
    first = turns.urgent()
    first.__enter__()

    def take(urgent: bool, name: str) -> None:
        with turns.urgent() if urgent else turns.patient():
            order.append(name)

    patient = threading.Thread(target=take, args=(False, "patient"))
    patient.start()
    time.sleep(0.05)
    urgent = threading.Thread(target=take, args=(True, "urgent"))
    urgent.start()
    wait_for(lambda: turns._urgent == 1)
    first.__exit__(None, None, None)
    patient.join(5)
    urgent.join(5)
    assert order == ["urgent", "patient"]
