"""The one strict reader of YAML: the safe loader, without aliases, with size and nesting bounded."""

from typing import Any

import yaml

from ppkt_zoo.files.limits import MAX_TEXT

# The C library reads ten times as fast; where PyYAML was built without it, its own reader gives the same values.
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):
    """The safe loader, for which a key that stands twice is a fault: the plain one takes the last without a word."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in seen:
                raise ValueError(f"{key.value!r} stands twice in one mapping (line {key.start_mark.line + 1})")
            seen.add((key.tag, key.value))
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)

_DEPTH = 50
# What PyYAML raises beside its own errors at what is damaged or hostile.
_DAMAGE = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError)


def parse_yaml(text: str) -> Any:
    """The value of a YAML text, by the safe loader.

    Aliases (``*name``) are refused: nine lines of them unfold to gigabytes, and no file of ours needs one.

    Raises:
        ValueError: not YAML, an alias, a key that stands twice, nesting over 50, or too long a text.
    """
    if len(text) > MAX_TEXT.value():
        raise ValueError(f"{len(text)} letters, more than the limit of {MAX_TEXT.value()} ({MAX_TEXT.variable})")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Safe):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError(f"it uses an alias, *{event.anchor}: write the value again instead")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEPTH:
                raise ValueError(f"it is nested deeper than {_DEPTH}")
        return yaml.load(text, Loader=_Loader)  # a safe loader
    except (yaml.YAMLError, *_DAMAGE) as error:
        raise ValueError(str(error) or type(error).__name__) from error
