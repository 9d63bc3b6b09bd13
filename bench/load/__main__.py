"""Loads, one for each row of the table in docs/benchmarks.md.

    python -m bench.load watchers --sessions 40 --trainings 2 --queued 100 --seconds 600
    python -m bench.load watchers --sessions 100
    python -m bench.load --room watchers --sessions 40      the same behind a passcode
    python -m bench.load opening --sessions 30 --within 5 [--cold]
    python -m bench.load uploads --count 30 --mb 20 --within 60
    python -m bench.load prediction --trainings 2
    python -m bench.load throughput --sessions 60
    python -m bench.load chaos --seconds 3600 --seed 0

Every load makes a data root of its own, starts the app on it, and ends all that it started. `--folder` names a folder
of class folders with photographs; without one the drawn pictures serve.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from bench.load import chaos, opening, predicting, throughput, uploading, watching
from bench.load.report import Report
from tests.support.load.room import Room


def main(arguments: list[str] | None = None) -> int:
    """Run one load and print its table; 0 when every limit was kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON value instead of the table")
    parser.add_argument("--folder", type=Path, help="photographs: a folder of class folders")
    parser.add_argument(
        "--room", action="store_true", help="behind a passcode: every session has a cookie and a nickname"
    )
    parser.add_argument("--keep-server-log", type=Path, help="copy the server's log there")
    loads = parser.add_subparsers(dest="load", required=True)

    watchers = loads.add_parser("watchers", help="sessions that watch live charts")
    watchers.add_argument("--sessions", type=int, default=40)
    watchers.add_argument("--trainings", type=int, default=2)
    watchers.add_argument("--queued", type=int, default=100)
    watchers.add_argument("--waiting", type=int, default=10, help="more sessions, each watching a queued run")
    watchers.add_argument("--seconds", type=float, default=600)
    watchers.add_argument("--browsers", type=int, default=2, help="real Chromium pages beside them")
    watchers.add_argument("--click-seconds", type=float, default=20, help="between two clicks of one session")

    opening_ = loads.add_parser("opening", help="all sessions open the app at once")
    opening_.add_argument("--sessions", type=int, default=30)
    opening_.add_argument("--within", type=float, default=5, help="seconds")
    opening_.add_argument("--browsers", type=int, default=2)
    opening_.add_argument("--cold", action="store_true", help="no page has been opened before")

    uploads = loads.add_parser("uploads", help="every session uploads a zip and imports it")
    uploads.add_argument("--count", type=int, default=30)
    uploads.add_argument("--mb", type=float, default=20)
    uploads.add_argument("--within", type=float, default=60, help="seconds")

    prediction = loads.add_parser("prediction", help="photos are tried while trainings run")
    prediction.add_argument("--trainings", type=int, default=2)
    prediction.add_argument("--sessions", type=int, default=3)
    prediction.add_argument("--each", type=int, default=20, help="photos of one session")

    throughput_ = loads.add_parser("throughput", help="what watchers cost the trainings")
    throughput_.add_argument("--sessions", type=int, default=60)
    throughput_.add_argument("--rounds", type=int, default=3)
    throughput_.add_argument("--seconds", type=float, default=40, help="of each window")

    chaos_ = loads.add_parser("chaos", help="processes are killed and connections dropped at random")
    chaos_.add_argument("--seconds", type=float, default=3600)
    chaos_.add_argument("--seed", type=int, default=0)
    chaos_.add_argument("--sessions", type=int, default=10)
    chaos_.add_argument("--every", type=float, default=8, help="seconds between two blows, on average")

    options = parser.parse_args(arguments)
    with Room(photographs=options.folder, guarded=options.room) as room:
        room.make_dataset()
        report = LOADS[options.load](room, options)
        if options.keep_server_log:
            options.keep_server_log.write_bytes(room.server.log_path.read_bytes())
    print(json.dumps(report.as_json(), indent=1) if options.json else report.as_text())
    return 0 if report.kept else 1


def _watchers(room: Room, options: argparse.Namespace) -> Report:
    room.server.start()
    many = options.sessions > 60
    plan = watching.Plan(
        sessions=options.sessions,
        trainings=options.trainings,
        queued=options.queued,
        waiting=min(options.waiting, options.queued),
        seconds=options.seconds,
        browsers=options.browsers,
        click_seconds=options.click_seconds,
        refresh_limit=1.0 if many else 0.5,
    )
    return asyncio.run(watching.watch(room, plan))


def _opening(room: Room, options: argparse.Namespace) -> Report:
    room.server.start()
    return asyncio.run(
        opening.open_together(room, options.sessions, options.within, options.browsers, cold=options.cold)
    )


def _uploads(room: Room, options: argparse.Namespace) -> Report:
    room.server.start()
    return asyncio.run(uploading.upload_together(room, options.count, options.mb, options.within))


def _prediction(room: Room, options: argparse.Namespace) -> Report:
    room.server.start()
    return asyncio.run(predicting.predict_under_load(room, options.trainings, options.sessions, options.each))


def _throughput(room: Room, options: argparse.Namespace) -> Report:
    room.server.start()
    return asyncio.run(throughput.compare_throughput(room, options.sessions, options.rounds, options.seconds))


def _chaos(room: Room, options: argparse.Namespace) -> Report:
    room.server.start()
    plan = chaos.Plan(options.seconds, options.seed, options.sessions, options.every)
    return asyncio.run(chaos.endure(room, plan))


LOADS = {
    "watchers": _watchers,
    "opening": _opening,
    "uploads": _uploads,
    "prediction": _prediction,
    "throughput": _throughput,
    "chaos": _chaos,
}


if __name__ == "__main__":
    sys.exit(main())
