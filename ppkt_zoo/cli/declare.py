"""A dataclass whose fields are options: how several commands share them, and how they reach what a command does."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from ppkt_zoo.cli.answers.base import Answer as Answer
else:
    # The framework evaluates what commands are declared to return; the models of answers are not loaded for that.
    Answer = object


def with_options(*left_out: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options that the fields of one of its parameters are, and fill that parameter, a dataclass.

    Args:
        left_out: fields that are no option of this command.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = list(inspect.signature(command).parameters.values())
        hints = get_type_hints(command, include_extras=True)
        place = next(number for number, one in enumerate(own) if is_dataclass(hints[one.name]))
        filled_one = own.pop(place).name
        kind = hints[filled_one]
        of_fields = get_type_hints(kind, include_extras=True)
        options = [
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if one.default is MISSING else one.default,
                annotation=of_fields[one.name],
            )
            for one in fields(kind)
            if one.name not in left_out
        ]

        @functools.wraps(command)
        def filled(**given: Any) -> Any:
            given[filled_one] = kind(**{option.name: given.pop(option.name) for option in options})
            return command(**given)

        own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name]) for one in own]
        # The framework reads both of these: the source or recipe comes first, and how it is read last.
        first = 0 if fields(kind)[0].name in left_out else 1
        parameters = [*own[:place], *options[:first], *own[place:], *options[first:]]
        del filled.__wrapped__
        filled.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        filled.__annotations__ = {one.name: one.annotation for one in parameters}
        return filled

    return decorate
