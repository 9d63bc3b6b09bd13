"""The command `serve`. It imports what it needs when it runs, for a quick start of others."""

import socket

import click

from core.cli.commands.run_commands import run_argument
from core.cli.shared.command import Outcome, command
from core.cli.shared.status_line import describe_progress, print_status, show_step
from core.errors import ConfigError, TuneMyPetsError
from core.runs.run import Run
from core.runs.run_store import RunStore
from core.settings import Settings

HOST, PORT = "127.0.0.1", 8600
MOST_PORT = 65_535
END_SECONDS = 5  # for requests that are being answered when the service ends


@command("serve")
@run_argument
@click.option(
    "--port", type=int, default=PORT, metavar="N", help=f"Port on this machine (default: {PORT}; 0 takes a free one)."
)
def serve(settings: Settings, run: str, port: int) -> Outcome:
    """Answer pictures over HTTP, on this machine only: POST /predict (docs/predicting.md)."""
    if not 0 <= port <= MOST_PORT:
        raise ConfigError({"port": f"--port is {port}: choose a whole number from 0 to {MOST_PORT}."})
    found = RunStore(settings).get(run)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise TuneMyPetsError(
                f"Port {port} is in use ({error.strerror}): choose another one with --port."
            ) from error
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        _run(settings, found, listener, address)
    return Outcome({"run": found.id, "address": address}, "The service has ended.")


def _run(settings: Settings, run: Run, listener: socket.socket, address: str) -> None:
    import uvicorn  # seconds, with torch

    from core.predict.strange_pictures import know_pictures
    from core.serving.endpoint import Endpoint
    from core.steps import StopSignal

    endpoint = Endpoint(settings, run)
    if endpoint.predictor.novelty(run) is None:
        try:
            show_step(know_pictures(settings, run, StopSignal()), describe_progress)
        except TuneMyPetsError as error:
            print_status(f"No picture can be called strange. {error}")
    config = uvicorn.Config(
        endpoint.app(),
        lifespan="off",
        ws="none",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=END_SECONDS,
    )
    listener.listen(config.backlog)
    print_status(f"Run {run.id} answers at {address}/predict ({endpoint.describe_limits()}). Ctrl-C ends it.")
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        print_status("")
