"""Loads, one for each row of the table in README.

    python -m bench.load watchers --sessions 40 --trainings 2 --queued 100 --seconds 600
    python -m bench.load watchers --sessions 100

Every load makes a data root of its own, starts the app on it, and ends all that it started. `--folder` names a folder
of class folders with photographs; without one the drawn pictures serve.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from bench.load import watching
from bench.load.report import Report
from bench.load.room import Room


def main(arguments: list[str] | None = None) -> int:
    """Run one load and print its table; 0 when every limit was kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON value instead of the table")
    parser.add_argument("--folder", type=Path, help="photographs: a folder of class folders")
    loads = parser.add_subparsers(dest="load", required=True)

    watchers = loads.add_parser("watchers", help="sessions that watch live charts")
    watchers.add_argument("--sessions", type=int, default=40)
    watchers.add_argument("--trainings", type=int, default=2)
    watchers.add_argument("--queued", type=int, default=100)
    watchers.add_argument("--waiting", type=int, default=10, help="more sessions, each watching a queued run")
    watchers.add_argument("--seconds", type=float, default=600)
    watchers.add_argument("--browsers", type=int, default=2, help="real Chromium pages beside them")
    watchers.add_argument("--click-seconds", type=float, default=20, help="between two clicks of one session")
    watchers.add_argument("--keep-server-log", type=Path, help="copy the server's log there")

    options = parser.parse_args(arguments)
    with Room(photographs=options.folder) as room:
        room.make_dataset()
        report = _watchers(room, options)
        if getattr(options, "keep_server_log", None):
            options.keep_server_log.write_bytes(room.log_path.read_bytes())
    print(json.dumps(report.as_json(), indent=1) if options.json else report.as_text())
    return 0 if report.kept else 1


def _watchers(room: Room, options: argparse.Namespace) -> Report:
    room.start_server()
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


if __name__ == "__main__":
    sys.exit(main())
