"""Every error that ppkt-zoo raises on purpose.

One base class, so that ``except PPKTZooError`` catches all of them and nothing else. Each message names
the thing that is wrong and how to mend it. The second base of each class is the built-in error that a
caller would guess, so ``except ValueError`` works too.
"""

import re

__all__ = [
    "BackboneError",
    "EngineError",
    "FrameError",
    "InputError",
    "InputWarning",
    "LostFrameError",
    "ManifestError",
    "MeshWarning",
    "MissingLibraryError",
    "PPKTZooError",
    "RecipeError",
    "ScaleWarning",
    "TeacherError",
    "ThreadWarning",
    "TrainingError",
    "UnitWarning",
    "UnknownNameError",
    "WeightError",
    "printable",
]


# Control characters, marks that turn the direction of text around, and letters that nobody sees: they can rewrite
# what a terminal shows.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    r"\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """The text with its control characters written out (``\\x1b``), so that no terminal obeys it."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


class PPKTZooError(Exception):
    """Base of all errors that ppkt-zoo raises on purpose.

    Messages name files and what stands in them, so they are made printable: nothing in one is obeyed by a terminal.
    """

    def __init__(self, *parts: object) -> None:
        super().__init__(*(printable(part) if isinstance(part, str) else part for part in parts))


class InputError(PPKTZooError, ValueError):
    """An array, a cloud or a point file does not fit: shape, dtype, range, NaN, missing colour."""


class BackboneError(PPKTZooError, AssertionError):
    """A backbone fails a check of :mod:`ppkt_zoo.testing`."""


class FrameError(InputError):
    """An RGB-D frame or a folder of frames is incomplete, damaged or inconsistent."""


class LostFrameError(FrameError):
    """A frame that holds nothing to go by: tracking was lost, or the depth camera saw nothing. Pass over it."""


class UnknownNameError(PPKTZooError, LookupError):
    """No backbone, weight, teacher or engine of that name; the message lists the nearest right ones."""


class WeightError(PPKTZooError, RuntimeError):
    """A weight's files are missing, damaged, or do not fit the architecture; nothing was loaded."""


class MissingLibraryError(PPKTZooError, ImportError):
    """What was asked for needs a library of an extra that is not installed; the message has the pip line."""


class ManifestError(PPKTZooError, ValueError):
    """The manifest or a weight's config breaks the manifest's rules."""


class RecipeError(PPKTZooError, ValueError):
    """A recipe has an unknown field, a wrong value or asks for data that was not given."""


class TeacherError(PPKTZooError, RuntimeError):
    """A 2D teacher's file is missing, damaged, or does not fit the architecture that was named."""


class TrainingError(PPKTZooError, RuntimeError):
    """Training cannot go on: non-finite loss, a checkpoint of another run, no usable frame."""


class EngineError(PPKTZooError, RuntimeError):
    """A sparse-convolution engine is not installed or cannot do what was asked."""


class InputWarning(UserWarning):
    """A file was read, but not all of it, or not surely as it was meant.

    Only the vertices of a mesh were, or columns look like colours and are none.

    Its text is made printable, as that of every error of ours.
    """

    def __init__(self, *parts: object) -> None:
        super().__init__(*(printable(part) if isinstance(part, str) else part for part in parts))


class MeshWarning(InputWarning):
    """A file holds a mesh, and only its vertices were read as points."""


class UnitWarning(InputWarning):
    """The names of a file's columns tell a unit other than metres, and the file was read as it is.

    Attributes:
        unit: "mm", "cm" or "ft", or None where it is another one.
        found: the file and what its names say, without the mend.
    """

    def __init__(self, found: str, unit: str | None, mend: str) -> None:
        super().__init__(f"{found}; they are read as they are: {mend}")
        self.found = found
        self.unit = unit


class ScaleWarning(UserWarning):
    """The cloud's extent looks like other units than metres, or like a whole city."""


class ThreadWarning(UserWarning):
    """Torch's threads busily wait for each other on a machine that has other work: all is many times slower."""
