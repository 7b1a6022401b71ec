"""Which feature gets which colour: one basis for every picture of a weight, so that pictures compare."""

from pathlib import Path

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.pca import ColorBasis, Features
from ppkt_zoo.zoo.folder import WeightFolder

__all__ = ["OWN", "color_basis", "weight_basis"]

#: In place of a file: a basis of the cloud's own.
OWN = "own"


def weight_basis(folder: WeightFolder, level: str | None = None) -> ColorBasis:
    """The basis that a weight's golden output gives: the same on every machine and for every cloud.

    Args:
        folder: of the weight; nothing in it is changed.
        level: whose features are coloured; the finest where not given.

    Raises:
        WeightError: the folder's files are damaged.
    """
    features = folder.golden().features
    return ColorBasis.fit(features[list(folder.config.levels)[-1] if level is None else level])


def color_basis(choice: str | None, folder: WeightFolder, features: Features) -> ColorBasis:
    """The basis that ``--basis`` asks for.

    Args:
        choice: None for the weight's, ``"own"`` for one of these features alone, or the path of a saved one.
        folder: of the weight.
        features: (N, C), those of the cloud.

    Raises:
        InputError: no such file, or it holds a basis of other features.
    """
    if choice is None:
        return weight_basis(folder)
    if choice == OWN:
        return ColorBasis.fit(features)
    basis = ColorBasis.load(Path(choice).expanduser())
    if basis.mean.shape[0] != features.shape[1]:
        raise InputError(
            f"--basis {choice} is of features with {basis.mean.shape[0]} channels, these have {features.shape[1]}: "
            "take the basis of the same weight, or --basis own"
        )
    return basis
