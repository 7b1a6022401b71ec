"""The one strict reader of YAML: the safe loader, without aliases, with size and nesting bounded."""

from typing import Any

import yaml

from ppkt_zoo.files.limits import MAX_TEXT

__all__ = ["parse_yaml"]

_DEPTH = 50


def parse_yaml(text: str) -> Any:
    """The value of a YAML text, by the safe loader.

    Aliases (``*name``) are refused: nine lines of them unfold to gigabytes, and no file of ours needs one.

    Raises:
        ValueError: not YAML, an alias, nesting over 50, or too long a text.
    """
    if len(text) > MAX_TEXT.value():
        raise ValueError(f"{len(text)} letters, more than the limit of {MAX_TEXT.value()} ({MAX_TEXT.variable})")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError(f"it uses an alias, *{event.anchor}: write the value again instead")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEPTH:
                raise ValueError(f"it is nested deeper than {_DEPTH}")
        return yaml.safe_load(text)
    except (
        yaml.YAMLError,
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
    ) as error:
        raise ValueError(str(error) or type(error).__name__) from error
