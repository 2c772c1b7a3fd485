"""The ``hybridfer`` program: a lazy group of commands; the one place where errors become messages and exit codes."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

import click

from hybridfer import __version__
from hybridfer.errors import HybridferError, missing_library
from hybridfer.registry import Registry

COMMANDS = Registry(
    "commands",
    {
        "align": "hybridfer.commands.align:align",
        "bank": "hybridfer.commands.bank:bank",
        "cache": "hybridfer.commands.cache:cache",
        "datasets": "hybridfer.commands.datasets:datasets",
        "demo": "hybridfer.commands.demo:demo",
        "detect": "hybridfer.commands.detect:detect",
        "doctor": "hybridfer.commands.doctor:doctor",
        "evaluate": "hybridfer.commands.evaluate:evaluate",
        "extract": "hybridfer.commands.extract:extract",
        "list": "hybridfer.commands.list:list_names",
        "models": "hybridfer.commands.models:models",
        "predict": "hybridfer.commands.predict:predict",
        "rsa": "hybridfer.commands.rsa:rsa",
        "similarity": "hybridfer.commands.similarity:similarity",
        "svm-predict": "hybridfer.commands.svm_predict:svm_predict",
        "svm-train": "hybridfer.commands.svm_train:svm_train",
        "train": "hybridfer.commands.train:train",
        "virtual": "hybridfer.commands.virtual:virtual",
    },
)

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

EXIT_DONE, EXIT_ERROR, EXIT_USAGE, EXIT_SOME_FAILED, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


class ReaderGone(Exception):
    """Whoever read our output wants no more of it (``… | head``)."""


class LazyGroup(click.Group):
    """A group that imports a command when it is called or its help is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return COMMANDS.names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, or None."""
        if cmd_name not in COMMANDS.names():
            return None
        command: click.Command = COMMANDS.load(cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Call the command; a reader of our output that has gone is taken out of click's hands, which exits 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGone from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` begin with; a misspelt one is a usage error that names the nearest."""
        from hybridfer.errors import did_you_mean

        if args and not args[0].startswith("-") and args[0] not in COMMANDS.names():
            hint = did_you_mean(args[0], COMMANDS.names())
            raise click.UsageError(f"No command named {args[0]!r}.{hint} See hybridfer --help.", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--offline", is_flag=True, help="Never use the internet; HYBRIDFER_OFFLINE=1 says the same.")
@click.version_option(__version__, prog_name="hybridfer")
def main_group(offline: bool) -> None:
    """Read facial expression from the shell: features, SVMs, predictions.

    \b
    Example:
      hybridfer extract photos/ -f lbp -f hog --labels folder -o faces.parquet
      hybridfer svm-train faces.parquet -o faces.model --cv 5
      hybridfer svm-predict faces.model new/ --format jsonl
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the program and exit: 0 done, 1 a named error, 2 usage, 3 some inputs failed, 130 interrupted."""
    try:
        code = main_group.main(args=args, prog_name="hybridfer", standalone_mode=False)
        sys.stdout.flush()
    except HybridferError as error:
        click.echo(f"hybridfer: {' '.join(str(error).split())}", err=True)
        code = EXIT_ERROR
    except click.ClickException as error:
        error.show()
        code = EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("hybridfer: interrupted.", err=True)
        code = EXIT_INTERRUPTED
    except ImportError as error:
        missing = missing_library(error)
        if missing is None:
            raise
        click.echo(f"hybridfer: {missing}", err=True)
        code = EXIT_ERROR
    except (ReaderGone, BrokenPipeError):
        code = EXIT_DONE
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        where = f" at {error.filename}" if error.filename else ""
        click.echo(f"hybridfer: {error.strerror}{where}; make room and run again.", err=True)
        code = EXIT_ERROR
    try:
        sys.stdout.flush()
    except OSError:
        # The reader has gone or the disk is full: what is left can go nowhere, and Python would try again as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code if isinstance(code, int) else EXIT_DONE)
