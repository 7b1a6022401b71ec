"""Every error that ppkt-zoo raises on purpose.

One base class, so that ``except PPKTZooError`` catches all of them and nothing else. Each message names
the thing that is wrong and how to mend it. The second base of each class is the built-in error that a
caller would guess, so ``except ValueError`` works too.
"""

__all__ = [
    "EngineError",
    "FrameError",
    "InputError",
    "ManifestError",
    "PPKTZooError",
    "RecipeError",
    "ScaleWarning",
    "TeacherError",
    "TrainingError",
    "UnknownNameError",
    "WeightError",
]


class PPKTZooError(Exception):
    """Base of all errors that ppkt-zoo raises on purpose."""


class InputError(PPKTZooError, ValueError):
    """An array, a cloud or a point file does not fit: shape, dtype, range, NaN, missing colour."""


class FrameError(InputError):
    """An RGB-D frame or a folder of frames is incomplete, damaged or inconsistent."""


class UnknownNameError(PPKTZooError, LookupError):
    """No backbone, weight, teacher or engine of that name; the message lists the nearest right ones."""


class WeightError(PPKTZooError, RuntimeError):
    """A weight's files are missing, damaged, or do not fit the architecture; nothing was loaded."""


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


class ScaleWarning(UserWarning):
    """The cloud's extent looks like other units than metres, or like a whole city."""
