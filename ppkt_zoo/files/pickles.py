"""`check_pickle`: the shape of a torch checkpoint's pickle, before torch sees it.

torch searches its own message about a pickle that it refuses with an expression whose time grows with the square of the
longest word in it: a name of 15 000 letters takes ten seconds, a megabyte takes hours. Names are short in every real
file, and only what a name stands for is ever called; what is otherwise is told here.
"""

import pickle
from typing import IO, Any

__all__ = ["check_pickle"]

_LONGEST_NAME = 500


def check_pickle(stream: IO[bytes]) -> None:
    """Read one pickle with something inert in the place of everything that it names; nothing of it is called.

    Raises:
        pickle.UnpicklingError: a name is longer than any real one.
        Exception: what :class:`pickle.Unpickler` raises where a pickle is cut, damaged, or calls what is no name's.
    """
    _Reader(stream).load()


class _Named:
    """Whatever a pickle names and makes: it takes everything and does nothing."""

    def __new__(cls, *parts: object, **more: object) -> "_Named":
        return super().__new__(cls)

    def __init__(self, *parts: object, **more: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, item: object) -> None:
        """Take an item of a list that is none."""

    def extend(self, items: object) -> None:
        """Take items of a list that is none."""


# The reader in Python: the one in C hands long names on before they can be looked at.
class _Reader(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> type[_Named]:
        if len(module) + len(name) > _LONGEST_NAME:
            raise pickle.UnpicklingError(f"it names something by {len(module) + len(name)} characters")
        return _Named

    def persistent_load(self, place: Any) -> _Named:
        return _Named()

    def get_extension(self, code: int) -> None:
        raise pickle.UnpicklingError("it names something by a number of this process alone")
