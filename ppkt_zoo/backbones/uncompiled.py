"""Methods that torch.compile leaves as they are.

A network on voxels looks at its coordinates to decide what it computes: nothing of it is a fixed graph, and tracing it
ends in errors inside the compiler. Its engines are fast as they stand.
"""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def uncompiled(method: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """As ``torch.compiler.disable``, which would import the compiler (seconds) whether or not anything is compiled."""
    disabled: Callable[Arguments, Result] | None = None

    @functools.wraps(method)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        nonlocal disabled
        if "torch._dynamo" not in sys.modules:
            return method(*args, **kwargs)
        if disabled is None:
            import torch

            disabled = cast("Callable[Arguments, Result]", torch.compiler.disable(method))
        return disabled(*args, **kwargs)

    return run
