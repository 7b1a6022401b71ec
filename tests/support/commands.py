"""A command of the command line, run in this process."""

from click.testing import Result
from typer.testing import CliRunner

from ppkt_zoo.cli.main import app


def run(*words: object, code: int = 0) -> Result:
    """What a command wrote; it must end with ``code``."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done
