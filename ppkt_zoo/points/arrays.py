"""What users hand over as arrays: turned into tensors without any loss, or told what is wrong, their scale too."""

import warnings
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.errors import InputError, ScaleWarning

Name = Literal["xyz", "rgb"]

_WIDEST = {"f": 8, "i": 8, "u": 8, "b": 1}
# A room, a floor of an office, a street: all fit. Beyond it stands a landscape, or units are not metres.
_CITY_METRES = 300.0
_MILLIMETRE_METRES = 5000.0
# No scan of a scene is so small; a room in kilometres or degrees is.
_TINY_METRES = 0.05
# Degrees lie along x and y alone: then a cloud is so many times as high as it is wide.
_STEEP = 20.0
# Where neighbouring float32 numbers stand further apart than this, the shape of a room is lost.
_COARSEST_STEP = 0.01
# Fewer points may well be one place.
_FEWEST_POINTS = 16
# A network that gets a cloud of fewer voxels along its longest side sees no shape.
_FEWEST_VOXELS = 4.0


def as_tensor(name: Name, value: Any) -> Tensor:
    """A tensor of the same numbers: any byte order, strides and subclass; long double becomes double.

    Args:
        name: of the argument, for messages.
        value: a numpy array, a dense tensor, or an object that turns into an array (a DataFrame).

    Returns:
        Without gradients; it may share memory with ``value``.

    Raises:
        InputError: no array, not numbers, masked, sparse, or without numbers (the meta device).
    """
    if isinstance(value, Tensor):
        return _dense(name, value)
    array = value if isinstance(value, np.ndarray) else _converted(name, value)
    if _has_units(value):
        raise InputError(f"{name} carries units, which would be lost: give the plain numbers (xyz in metres)")
    if isinstance(array, np.ma.MaskedArray):
        array = _unmasked(name, array)
    array = np.asarray(array)
    if array.dtype.names is not None:
        fields = ", ".join(repr(field) for field in array.dtype.names[:8])
        raise InputError(
            f"{name} must be a numeric array, got a structured one with the fields {fields}: join three of them, "
            f"{name} = np.stack([a[field] for field in (…)], axis=1)"
        )
    if array.dtype.kind not in _WIDEST:
        raise InputError(f"{name} must be a numeric array, got dtype {array.dtype}")
    if array.dtype.itemsize > _WIDEST[array.dtype.kind]:
        with np.errstate(over="ignore"):  # what is beyond float64 becomes infinity, which is told
            array = array.astype(np.float64)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    # torch has no read-only tensors, and no negative strides.
    array = np.asarray(array, order="C")
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def dtype_name(tensor: Tensor) -> str:
    """As the user knows it, such as "uint16"."""
    return str(tensor.dtype).removeprefix("torch.")


def check_colors(colors: Tensor, points: Tensor) -> Tensor:
    """Colours as uint8 (N, 3), on the points' device.

    Args:
        colors: uint8, or floats in [0, 1], which are rounded.
        points: (N, 3).

    Raises:
        InputError: another shape, dtype or range; the mend that the message proposes keeps the colours.
    """
    if colors.shape != points.shape:
        hint = ": leave alpha out, rgb[:, :3]" if colors.shape == (points.shape[0], 4) else ""
        raise InputError(
            f"rgb must have one row for each point, shape {tuple(points.shape)}, got {tuple(colors.shape)}{hint}"
        )
    if colors.dtype == torch.uint8:
        return colors.to(points.device).contiguous()
    if not colors.is_floating_point():
        raise InputError(
            f"rgb must be uint8 in 0..255 or float in [0, 1], got {dtype_name(colors)}{_mend_of_whole(colors)}"
        )
    # Half precision would round the product a second time.
    wide = colors.to(torch.promote_types(colors.dtype, torch.float32))
    low, high = float(wide.min()), float(wide.max())
    # NaN fails this comparison too.
    if not (low >= 0.0 and high <= 1.0):
        raise InputError(f"rgb given as floats must lie in [0, 1], {_mend_of_floats(wide, low, high)}")
    return (wide * 255.0).round().to(torch.uint8).to(points.device).contiguous()


def _mend_of_whole(colors: Tensor) -> str:
    """What to do with colours that are whole numbers of another type; nothing that would lose a colour."""
    if colors.dtype == torch.bool or colors.is_complex():
        return ""
    # Not every operation knows the wide unsigned types; float64 tells 0..65535 exactly.
    low, high = float(colors.double().min()), float(colors.double().max())
    if low < 0:
        return f": values from {low:.6g} to {high:.6g} are no colours"
    if high <= 255:
        return ", with values up to 255: convert it with .astype('uint8'), or .to(torch.uint8) for a tensor"
    return (
        f", with values up to {high:.6g}: divide it by the largest value that its colours can have (65535 where they "
        "have 16 bits, 1023 for 10, 4095 for 12), which gives floats in [0, 1]"
    )


def _mend_of_floats(colors: Tensor, low: float, high: float) -> str:
    finite = torch.isfinite(colors)
    if not bool(finite.all()):
        rows = ~finite.all(dim=1)
        first = int(rows.nonzero()[0, 0])
        return f"found NaN or infinity in {int(rows.sum())} rows (the first is row {first}): drop them and their points"
    found = f"found {low:.4g} to {high:.4g}"
    if low < 0:
        return (
            f"{found}: undo the normalisation, such as (rgb + 1) / 2 where they lie in [-1, 1], or rgb + 0.5 where "
            "they lie in [-0.5, 0.5]"
        )
    return f"{found}: divide by 255 (by 65535 where the colours have 16 bits)"


def _dense(name: Name, value: Tensor) -> Tensor:
    if value.is_meta:
        raise InputError(f"{name} is on the meta device, where tensors have a shape and no numbers")
    if value.is_nested or value.layout != torch.strided:
        raise InputError(f"{name} is a sparse or nested tensor: make it dense, such as by {name}.to_dense()")
    if value.is_quantized:
        raise InputError(f"{name} is a quantised tensor: give {name}.dequantize()")
    if value.is_complex():
        raise InputError(f"{name} must be real numbers, got {dtype_name(value)}")
    return value.detach()


def _has_units(value: Any) -> bool:
    """Whether an object is a quantity; a table may well have a column of that name."""
    holder = value if isinstance(value, np.ndarray) else type(value)
    return any(getattr(holder, name, None) is not None for name in ("unit", "units"))


def _converted(name: Name, value: Any) -> Any:
    if not hasattr(value, "__array__"):
        raise InputError(f"{name} must be a numpy array or a torch tensor, got {type(value).__name__}")
    try:
        return np.asanyarray(value)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise InputError(f"{name} ({type(value).__name__}) does not turn into a numpy array: {error}") from error


def _unmasked(name: Name, array: Any) -> Any:
    hidden = np.ma.getmaskarray(array)
    rows = hidden.reshape(len(hidden), -1).any(axis=1) if hidden.ndim else hidden
    if rows.any():
        raise InputError(
            f"{name} has {int(rows.sum())} masked rows (the first is row {int(rows.argmax())}), and what lies under a "
            f"mask is no data: drop them first, {name}.data[~np.ma.getmaskarray({name}).any(axis=1)], and the same "
            f"rows of {'rgb' if name == 'xyz' else 'xyz'}"
        )
    return array.data


def extremes(xyz: Tensor) -> tuple[Tensor, Tensor]:
    """The smallest and the largest x, y and z of points (N, 3), N ≥ 1."""
    # Sixty-four points to a row: along short rows torch's reduction is several times slower.
    whole = len(xyz) // 64 * 64
    packed, rest = xyz[:whole].reshape(-1, 64 * 3), xyz[whole:]
    low = torch.cat([packed.amin(dim=0).view(64, 3), rest]) if whole else rest
    high = torch.cat([packed.amax(dim=0).view(64, 3), rest]) if whole else rest
    return low.amin(dim=0), high.amax(dim=0)


def warn_of_scale(points: int, low: Tensor, high: Tensor) -> None:
    """Warn of an extent that speaks of other units than metres, or of a whole city.

    Args:
        points: how many.
        low, high: the smallest and largest x, y, z (3,), as given.
    """
    wide, deep, tall = ((high.double() - low.double()).abs()).tolist()
    widest, across = max(wide, deep, tall), max(wide, deep)
    text = ""
    if widest > _MILLIMETRE_METRES:
        text = (
            f"the cloud is {widest:.0f} m wide: are they millimetres (divide by 1000; --unit mm in commands), or a "
            "whole city?"
        )
    elif widest > _CITY_METRES:
        text = f"the cloud is {widest:.0f} m wide: is that a whole city, or other units than metres?"
    elif points >= _FEWEST_POINTS and widest < _TINY_METRES:
        text = (
            f"all {points} points lie within {widest:.2g} m: are they kilometres (multiply by 1000), degrees "
            "(project them to metres) or parts of another unit? coordinates must be metres"
        )
    elif points >= _FEWEST_POINTS and across < _TINY_METRES and tall > _STEEP * across:
        text = (
            f"all {points} points lie within {across:.2g} m along x and y, and within {tall:.2g} m along z: are x and "
            "y degrees of longitude and latitude? project them to metres, such as UTM"
        )
    if text:
        warnings.warn(text, ScaleWarning, stacklevel=3)


def warn_of_few_voxels(xyz: Tensor, voxel_size: float) -> None:
    """Warn where all points lie in a few voxels of a weight, and :func:`warn_of_scale` had nothing to say."""
    if len(xyz) < _FEWEST_POINTS:
        return
    low, high = extremes(xyz)
    widest = float((high - low).max())
    if _TINY_METRES <= widest < _FEWEST_VOXELS * voxel_size:
        warnings.warn(
            f"all {len(xyz)} points lie within {widest:.2g} m, and this weight's voxels are {voxel_size:g} m: it sees "
            "almost nothing. Are they kilometres, degrees or parts of another unit? coordinates must be metres",
            ScaleWarning,
            stacklevel=3,
        )


def warn_of_coarse_steps(far: float) -> None:
    """Warn where float32 numbers so far from the origin stand too far apart."""
    step = float(np.spacing(np.float32(far)))
    if step > _COARSEST_STEP:
        warnings.warn(
            f"xyz is float32 and lies {far:.0f} m from the origin, where its numbers stand {step:.2g} m apart: "
            "give map coordinates as float64, they are centred before they become float32",
            ScaleWarning,
            stacklevel=3,
        )
