"""The commands, and how errors end: told in one line on standard error, with the contract's exit code."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer

from audit.cli import comparing, evidence, importing, inspection, merging, proving, running
from audit.errors import EvenhandError

_BAD_INPUT, _ERROR = 2, 4
#: What typer makes of Ctrl-C: no code of the contract.
_INTERRUPTED = 130
#: What typer raises when an option or argument is wrong (it names only the subclasses in public).
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="evenhand",
    help="Audit a language model for bias: what changes inside and outside when only a protected attribute changes.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for module in (running, merging, comparing, inspection, importing, proving, evidence):
    module.register(app)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"evenhand {version('evenhand')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Options of the command itself."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; ``sys.argv`` if None.
    Returns:
        0 PASS, 1 FAIL, 2 bad input, 3 INCONCLUSIVE, 4 ERROR or incomplete.
    """
    try:
        ended = app(args=arguments, standalone_mode=False, prog_name="evenhand")
        return _interrupted() if ended == _INTERRUPTED else int(ended or 0)
    except typer.Exit as ended:
        return int(ended.exit_code)
    except _UsageError as error:
        # its text says what is wrong; for a call without arguments it is the help
        told: str = getattr(error, "format_message", error.__str__)()
        print(told if "\n" in told else f"evenhand: {told}", file=sys.stderr)
        return _BAD_INPUT
    except EvenhandError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted()
    except Exception:
        # Python would end with 1, which means FAIL; a fault of the program is an ERROR.
        traceback.print_exc()
        print("evenhand: this is a fault of evenhand; please report it with the lines above", file=sys.stderr)
        return _ERROR


def _interrupted() -> int:
    print(
        "evenhand: interrupted; a run goes on from its last batch when it is started again", file=sys.stderr
    )
    return _ERROR
