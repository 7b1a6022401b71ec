"""How much code for products of matrices oneDNN keeps; it imports nothing, so that it can come before torch."""

import os

_VARIABLE = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
# More than one network needs for one cloud.
_FEW = "64"


def keep_few_primitives() -> None:
    """For a process that encodes many clouds: what was made for the shapes of one cloud serves hardly any other.

    On the CPU torch's oneDNN makes code for each shape of a product and keeps it for up to 1024 shapes, which takes
    some 150 MB. It reads its variable when it makes the first one. What the user has set about it stays.
    """
    os.environ.setdefault(_VARIABLE, _FEW)
