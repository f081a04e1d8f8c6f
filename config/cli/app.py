"""The command line `wedsync`: one line here per command, the commands themselves in the modules beside this one.

Heavy modules are imported inside the commands, so that `wedsync --help` is quick. Every failure leaves through
`failures.report`: one line with the remedy and an exit code.
"""

import json
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from config.cli import (
    backup,
    consistency,
    context,
    demo,
    import_,
    integrator,
    reseed,
    restart,
    roles,
    rules,
    scrub,
    status,
    token,
    up,
    vendor,
    verify,
)
from config.cli.failures import report

app = typer.Typer(
    name="wedsync",
    help="WedSync: the backend on which a wedding is planned and run together, live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("up")(up.command)
app.command("status")(status.command)
app.command("restart")(restart.command)
app.command("gateway")(roles.gateway)
app.command("host")(roles.host)
app.command("provision")(roles.provision)
app.command("token")(token.command)
app.command("integrator")(integrator.command)
app.command("import")(import_.command)
app.command("demo")(demo.command)
app.command("verify")(verify.command)
app.command("consistency")(consistency.command)
app.command("vendor")(vendor.command)
app.command("rules")(rules.command)
app.command("scrub")(scrub.command)
app.command("reseed")(reseed.command)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("context")(context.command)


def _version_and_leave(asked: bool) -> None:
    if asked:
        typer.echo(f"wedsync {version('wedsync')}")
        raise typer.Exit


def _config_and_leave(asked: bool) -> None:
    if asked:
        from config.settings import load_settings

        typer.echo(json.dumps(load_settings().masked(), indent=2))
        raise typer.Exit


@app.callback()
def options(
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version_and_leave, is_eager=True, help="Print the version and leave.")
    ] = False,
    _print_config: Annotated[
        bool, typer.Option("--print-config", callback=_config_and_leave, is_eager=True, help="Print all settings, no secrets.")
    ] = False,
) -> None:
    """WedSync: the backend on which a wedding is planned and run together, live."""
    from config.logging import configure_logging
    from config.settings import load_settings

    # Standard output belongs to a command's result; commands that serve say more, and set their logging themselves.
    quiet = {} if os.environ.get("WEDSYNC_LOG_LEVEL") else {"log_level": "warning"}
    configure_logging(load_settings(**quiet), role="cli")


def main() -> None:
    """Entry point of the `wedsync` script."""
    try:
        exit_code = app(standalone_mode=False)
    except BaseException as error:
        sys.exit(report(error))
    sys.exit(exit_code if isinstance(exit_code, int) else 0)


if __name__ == "__main__":
    main()
