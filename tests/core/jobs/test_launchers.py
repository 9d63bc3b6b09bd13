from concurrent.futures import ThreadPoolExecutor

import psutil

from core.jobs import launchers
from core.predict.predictor_client import PredictorClient
from core.settings import Settings
from tests.support.processes import wait_for


def predictors(settings: Settings) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["environ", "cmdline"]):
        command = process.info["cmdline"] or []
        if "core.predict.predictor_server" in command and (process.info["environ"] or {}).get("TUNEMYPETS_HOME") == str(
            settings.home
        ):
            found.append(process)
    return found


def test_many_who_ask_at_once_start_one_process(settings: Settings, ended_processes: None) -> None:
    client = PredictorClient(settings)
    with ThreadPoolExecutor(20) as pool:
        for _ in range(20):
            pool.submit(client.warm_up)

    assert len(predictors(settings)) == 1


def test_a_process_that_was_killed_on_its_way_is_started_again(settings: Settings, ended_processes: None) -> None:
    client = PredictorClient(settings)
    client.warm_up()
    process, _ = launchers._starting[settings.home, "core.predict.predictor_server"]
    process.kill()
    wait_for(lambda: process.poll() is not None)
    client.warm_up()

    assert [item.pid for item in predictors(settings)] == [
        launchers._starting[settings.home, "core.predict.predictor_server"][0].pid
    ]
    assert process.pid not in [item.pid for item in predictors(settings)]
