"""A command of the command line, run in this process."""

from typing import Any, Union

from click.testing import Result
from typer.testing import CliRunner

from ppkt_zoo.cli.answers.base import Answer, Failure
from ppkt_zoo.cli.answers.document import Document
from ppkt_zoo.cli.contract import answer_classes
from ppkt_zoo.cli.main import app


def run(*words: object, code: int = 0, **changed: str) -> Result:
    """What a command wrote; it must end with ``code``. ``changed`` are variables of its environment."""
    done = CliRunner().invoke(app, [str(word) for word in words], env=changed)
    assert done.exit_code == code, done.output
    return done


def document(command: str, *words: object, code: int = 0) -> Any:
    """The JSON document of a command, which must be all of its standard output and fit its schema."""
    text = run(*command.split(), *words, "--json", code=code).stdout
    kinds: Any = Union[answer_classes(command)]  # noqa: UP007
    found = Document[kinds].model_validate_json(text)
    assert text == text.strip() + "\n"
    assert found.command == command
    assert (found.result is None) != (found.error is None)
    return found


def answer(command: str, *words: object, code: int = 0) -> Any:
    """What a command found, by its JSON."""
    found = document(command, *words, code=code).result
    assert isinstance(found, Answer)
    return found


def failure(command: str, *words: object, code: int = 2) -> Failure:
    """Why a command found nothing, by its JSON."""
    found = document(command, *words, code=code).error
    assert isinstance(found, Failure)
    assert found.exit_code == code
    return found
