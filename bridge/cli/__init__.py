"""The command line: `sse-bridge COMMAND`; a file a command.

Exit codes: 0 done; 1 it failed while running; 2 the configuration or the command is wrong.

A command imports what it needs itself: a configuration is refused in a fraction of the time that a server's libraries
take to load.
"""

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
    typer.Argument(help="The configuration: a file, or a folder of them. Default: ./routes.yaml.", show_default=False),
]
Level = Annotated[str, typer.Option(help="The least that is logged: debug, info, warning or error.")]


def _file(given: Path | None) -> Path:
    if given is not None:
        return given
    return next((path for path in DEFAULTS if path.exists()), DEFAULTS[0])


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
def run(file: File = None, log_level: Level = "info") -> None:
    """Run the bridge until SIGTERM or Ctrl-C."""
    from bridge.cli.run import run as command

    raise typer.Exit(command(_file(file), level=log_level))


@app.command()
def demo(log_level: Level = "warning") -> None:
    """Run a built-in example that needs nothing else: a growing log, devices, a clock, pushed notices, and a page."""
    from bridge.cli.demo import run as command

    raise typer.Exit(command(level=log_level))


@app.command()
def serve(
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
) -> None:
    """Serve files and topics as event streams without a configuration; prints the addresses of the routes it makes."""
    from bridge.cli.serve import run as command

    raise typer.Exit(command(sources, listen=listen, admin=admin, level=log_level, anonymous=anonymous))


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
    app()
