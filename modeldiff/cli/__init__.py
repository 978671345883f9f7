"""The command line `modeldiff`: commands for people, and one per room for Snakemake's rules.

torch is imported only by the commands that need it. Exit codes: 0; 1 if something that was given is
wrong (one line on standard error, followed by the user's own traceback if a function of the user's
failed); 2 for wrong usage.
"""

import sys
from typing import Any

import click

from modeldiff.cli import rooms, users
from modeldiff.cli.run import run
from modeldiff.core import artifacts
from modeldiff.core.errors import LONGEST, CorruptArtifact, UserError, printable, shortened

# What people give, in the order of use.
PEOPLE = (*users.BEFORE_A_RUN, run, *users.AFTERWARDS)
# These remove what they find damaged; the others look at a study, and leave it as it is.
MENDING = (*rooms.COMMANDS, users.summary)
FORMER_NAMES = {"found": "summary", "give-up": "skip-missing"}


class Commands(click.Group):
    """Two groups of commands; a user's mistake becomes one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CorruptArtifact as error:
            click.echo(error.report(), err=True)
            mends = ctx.invoked_subcommand in {c.name for c in MENDING}
            if mends and error.artifact and artifacts.discard(error.artifact):
                click.echo("It was removed: run the same again to make it again.", err=True)
            sys.exit(1)
        except UserError as error:
            click.echo(error.report(), err=True)
            sys.exit(1)
        except click.UsageError as error:  # it has what was given, whatever that was
            message = shortened(printable(error.format_message()), LONGEST)
            raise click.UsageError(message, error.ctx) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of use, not of the alphabet

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in FORMER_NAMES:
            click.echo(f"modeldiff: `{name}` is called `{FORMER_NAMES[name]}` now", err=True)
        return super().get_command(ctx, FORMER_NAMES.get(name, name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(str(c.name), c.get_short_help_str(200)) for c in PEOPLE])
        with formatter.section("Run by Snakemake's rules, one per step"):
            formatter.write_text(", ".join(str(c.name) for c in rooms.COMMANDS))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="modeldiff")
def main() -> None:
    """What do two learning algorithms do differently?

    A study is one YAML file: write it with `new`, look at it with `check` and `plan`, run it with
    `run`, follow it with `status`. Exit codes: 0; 1 if something that was given is wrong, with
    one line that says what; 2 for wrong usage.
    """


for command in (*PEOPLE, *rooms.COMMANDS):
    main.add_command(command)
