"""The command line: `sse-bridge COMMAND`; a file a command.

Exit codes: 0 done; 1 it failed while running; 2 the configuration or the command is wrong.

A command imports what it needs itself: a configuration is refused in a fraction of the time that a server's libraries
take to load.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

#: Where the file is unless it is named: first here, then where a container has it.
DEFAULTS: Final = (Path("routes.yaml"), Path("/etc/sse-bridge/routes.yaml"))

app = typer.Typer(
    name="sse-bridge",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

File = Annotated[
    Path | None,
    typer.Argument(
        help="The configuration: a file, or a folder of them. Default: ./routes.yaml.",
        readable=False,  # we say so ourselves, as of all that is wrong with a file
        show_default=False,
    ),
]
Level = Annotated[
    str | None,
    typer.Option(
        help="The least that is logged: debug, info, warning or error. It beats the file.", show_default=False
    ),
]
Format = Annotated[
    str | None,
    typer.Option(help="How it is logged: json, pretty, or auto, by terminal. It beats the file.", show_default=False),
]


def _file(given: Path | None) -> Path:
    if given is not None:
        return given
    return next((path for path in DEFAULTS if path.exists()), DEFAULTS[0])


def _end_on_sigterm() -> None:
    """End well on SIGTERM before there is anything to drain, and not on SIGHUP; serving has handlers of its own.

    As the first process of a container we would otherwise not even hear of it, and loading takes a second.
    """
    # Its default action would end us, and it asks to read what we are about to read.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Not by an exception, which is lost where it happens to be raised within a callback of the import machinery.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


def _tell_version(asked: bool) -> None:  # noqa: FBT001 -- typer calls it so
    if asked:
        from importlib.metadata import version

        typer.echo(f"sse-bridge {version('sse-bridge')}")
        raise typer.Exit


@app.callback()
def common(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Turn files, MQTT, Kafka, polled pages, other event streams, timers and HTTP pushes into Server-Sent Events,
    in front of your application.
    """


@app.command()
def run(
    file: File = None,
    log_level: Level = None,
    log_format: Format = None,
    *,
    else_demo: Annotated[
        bool,
        typer.Option(
            "--else-demo", help="Run the demo where the file is not there and nothing is mounted; images start so."
        ),
    ] = False,
) -> None:
    """Run the bridge until SIGTERM or Ctrl-C."""
    _end_on_sigterm()
    if else_demo:
        from bridge.cli.mounted import run as either

        raise typer.Exit(either(_file(file), level=log_level, format=log_format))
    from bridge.cli.run import run as command

    raise typer.Exit(command(_file(file), level=log_level, format=log_format))


@app.command()
def health(
    file: Annotated[
        Path | None,
        typer.Option(
            help="The configuration that says where the admin port is. Default: that of `run`.", show_default=False
        ),
    ] = None,
) -> None:
    """Tell by the exit code whether the running bridge lives: 0 if so, else 1; for a container's HEALTHCHECK."""
    from bridge.cli.health import run as command

    raise typer.Exit(command(_file(file)))


@app.command()
def drain(
    file: Annotated[
        Path | None,
        typer.Option(help="The file that says where the admin port is. Default: that of `run`.", show_default=False),
    ] = None,
    admin: Annotated[
        str | None, typer.Option(help="The admin port instead, for example 127.0.0.1:9090.", show_default=False)
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(help="How long to wait, for example 20s. Default: until the drain is over.", show_default=False),
    ] = None,
) -> None:
    """Have the running bridge tell its streams to come back elsewhere, and wait for their end: a preStop hook."""
    from bridge.cli.drain import run as command

    raise typer.Exit(command(_file(file), admin=admin, within=within))


@app.command()
def demo(log_level: Level = "warning", log_format: Format = None) -> None:
    """Run a built-in example that needs nothing else: a growing log, devices, a clock, pushed notices, and a page."""
    _end_on_sigterm()
    from bridge.cli.demo import run as command

    raise typer.Exit(command(level=log_level, format=log_format))


@app.command()
def serve(  # noqa: PLR0913  each is an option
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Files, such as ./logs/*.log, and topics, such as mqtt://127.0.0.1/sensors/#.", metavar="SOURCE..."
        ),
    ],
    listen: Annotated[str, typer.Option(help="Where browsers connect.")] = "127.0.0.1:8080",
    admin: Annotated[str, typer.Option(help="Where the console is.")] = "127.0.0.1:9090",
    *,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Let everyone read, from other machines too.")] = False,
    log_level: Level = "warning",
    log_format: Format = None,
) -> None:
    """Serve files and topics as event streams without a configuration; prints the addresses of the routes it makes."""
    _end_on_sigterm()
    from bridge.cli.serve import run as command

    raise typer.Exit(command(sources, listen=listen, admin=admin, log=(log_level, log_format), anonymous=anonymous))


@app.command()
def check(
    file: File = None,
    *,
    resolved: Annotated[bool, typer.Option("--resolved", help="Print every value with where it comes from.")] = False,
) -> None:
    """Check a configuration; exit code 2 if it is refused."""
    from bridge.cli.check import run as command

    raise typer.Exit(command(_file(file), resolved=resolved))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from bridge.cli.schema import run as command

    raise typer.Exit(command())


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = DEFAULTS[0],
) -> None:
    """Write a commented configuration of a dozen lines to start from."""
    from bridge.cli.init import run as command

    raise typer.Exit(command(path))


def main() -> None:
    """Run the command that the arguments name."""
    if sys.argv[1:] == ["health"]:
        # Every few seconds, within the bridge's bound of memory: typer would load pydantic, most of what it took.
        from bridge.cli.health import run as command

        sys.exit(command(_file(None)))
    app()
