"""The backbones of this package, and arguments that keep them small; a new family needs no word here."""

import inspect
from typing import Any

from ppkt_zoo.zoo import registry
from ppkt_zoo.zoo.registry import get_builder

#: Those that the table names. What other packages of this environment offer is theirs to test.
OWN = sorted(registry._BUILDERS)

# Smaller than by default, for whichever builder has such an argument.
_SMALLER: dict[str, Any] = {
    "stem_kernel": 3,
    "neighbours": [8, 8, 4, 4],
    "planes": [8, 8, 12, 16, 16, 12, 8, 10],
    "blocks": [1] * 8,
}


def small(name: str) -> dict[str, Any]:
    """Arguments of a backbone that make it small; none where it knows none of them."""
    known = inspect.signature(get_builder(name)).parameters
    return {key: value for key, value in _SMALLER.items() if key in known}
