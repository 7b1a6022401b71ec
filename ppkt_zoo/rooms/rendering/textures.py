"""Procedural colour of each hit: two colours of a material mixed by a pattern in the primitive's own frame."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ppkt_zoo.rooms.materials import Texture
from ppkt_zoo.rooms.rendering.vectors import pick

_SIZE = 48
_CHANNELS = 2


@dataclass(frozen=True)
class Surface:
    """Points of one kind of texture.

    Attributes:
        color, second: (3, P).
        scale: (P,).
        x, y, z: (P,), metres along the longest, middle and shortest axis.
        part: (3, P), the same as fractions of the half extents.
        field, other: (P,), noise.
        offset: (3, P).
        blur: (P,), metres a pixel.
    """

    color: Tensor
    second: Tensor
    scale: Tensor
    x: Tensor
    y: Tensor
    z: Tensor
    part: Tensor
    field: Tensor
    other: Tensor
    offset: Tensor
    blur: Tensor

    def mixed(self, mix: Tensor) -> Tensor:
        """From the first colour (0) to the second (1), and a little beyond."""
        return torch.addcmul(self.color, self.second - self.color, mix.clamp(-0.3, 1.3))


# How often the noise repeats in a metre along a surface's long, middle and short axis, and how strongly the
# mix of the two colours follows it.
_PLAIN = (0.35, 0.35, 0.35)
_FREQUENCY: dict[Texture, tuple[float, float, float]] = {
    Texture.WOOD: (0.22, 2.4, 2.4),
    Texture.PLANKS: (0.3, 2.6, 2.6),
    Texture.FABRIC: (5.0, 5.0, 5.0),
    Texture.CARPET: (6.0, 6.0, 6.0),
    Texture.STONE: (3.0, 3.0, 3.0),
    Texture.LEAF: (1.5, 1.5, 1.5),
    Texture.PICTURE: (0.5, 0.5, 0.5),
    Texture.SCREEN: (0.6, 0.6, 0.6),
    Texture.VIEW: (0.25, 0.4, 0.4),
    Texture.TILES: (0.6, 0.6, 0.6),
}
_TABLE = torch.tensor([_FREQUENCY.get(Texture(index), _PLAIN) for index in range(len(Texture))])


def paint(
    texture: Tensor,
    color: Tensor,
    second: Tensor,
    scale: Tensor,
    place: Tensor,
    part: Tensor,
    offset: Tensor,
    blur: Tensor,
) -> Tensor:
    """Colour of surface points.

    Args:
        texture: int64 (P,), see Texture.
        color, second: float32 (3, P), linear light.
        scale: float32 (P,), size of the pattern in metres.
        place: float32 (3, P), metres from the primitive's middle along its longest, middle, shortest axis.
        part: float32 (3, P), the same as fractions of the half extents, −1 to 1.
        offset: float32 (3, P), where in the noise this primitive lies.
        blur: float32 (P,), size of a pixel there in metres: finer patterns fade out.

    Returns:
        float32 (3, P), linear albedo.
    """
    frequency = pick(_TABLE.to(place.device).T, texture)
    field, other = noise(torch.addcmul(offset, place, frequency))
    out = color + (second - color) * (0.5 + 0.35 * field).clamp_(0, 1)
    for kind, pattern in _PATTERNS.items():
        rows = (texture == int(kind)).nonzero()[:, 0]
        if rows.numel():
            here = Surface(
                *(pick(item, rows) for item in (color, second, scale, place[0], place[1], place[2])),
                *(pick(item, rows) for item in (part, field, other, offset, blur)),
            )
            out.index_copy_(1, rows, pattern(here))
    return out


def _fade(period: Tensor | float, blur: Tensor) -> Tensor:
    """1 where a pattern of that period is resolved, 0 where a pixel covers more than half of it."""
    return ((period / blur - 2) / 3).clamp(0, 1)


def _hash(value: Tensor) -> Tensor:
    """A number in [0, 1) for each cell number."""
    return (torch.sin(value * 12.9898 + 4.1) * 43758.5453).frac().abs()


def _seam(edge: Tensor, wide: Tensor, strength: float) -> Tensor:
    """A line of the given width at edge = 0, that fades as pixels grow beyond it."""
    return (1 - (edge / wide).clamp(0, 1)) * (strength / wide).clamp(0, 1)


def _wood(s: Surface) -> Tensor:
    rings = 0.5 + 0.5 * torch.sin(s.field * 16 + s.y * 30)
    return s.mixed(0.25 + 0.45 * rings * _fade(0.04, s.blur) + 0.3 * s.other)


def _planks(s: Surface) -> Tensor:
    across = s.y / s.scale
    row = across.floor()
    along = s.x / (s.scale * 9) + _hash(row) * 7
    tone = _hash(row * 17 + along.floor() * 3)
    inside = across - row
    edge = torch.minimum(inside, 1 - inside) * s.scale
    rings = torch.sin(s.field * 18 + tone * 40)
    base = s.mixed(0.1 + 0.6 * tone + 0.15 * rings * _fade(0.05, s.blur) + 0.25 * s.other)
    return base * (1 - 0.6 * _seam(edge, s.blur * 0.7 + 0.0015, 0.002))


def _fabric(s: Surface) -> Tensor:
    weave = torch.sin(s.x * 1600) * torch.sin(s.y * 1600 + 1) + torch.sin(s.z * 1600)
    return s.mixed(0.5 + 0.45 * s.field * _fade(0.03, s.blur) + 0.25 * weave * _fade(0.004, s.blur))


def _carpet(s: Surface) -> Tensor:
    grain = _hash((s.x * 350).floor() + (s.y * 350).floor() * 57)
    return s.mixed(0.5 + 0.5 * s.field * _fade(0.03, s.blur) + 0.6 * (grain - 0.5) * _fade(0.012, s.blur))


def _tiles(s: Surface) -> Tensor:
    across, along = s.x / s.scale, s.y / s.scale
    u, v = across - across.floor(), along - along.floor()
    edge = torch.minimum(torch.minimum(u, 1 - u), torch.minimum(v, 1 - v)) * s.scale
    tone = _hash(across.floor() * 31 + along.floor() * 7)
    base = s.color * (0.94 + 0.1 * tone + 0.05 * s.field)
    return base + (s.second - base) * _seam(edge, 0.003 + 0.5 * s.blur, 0.0045)


def _stripes(s: Surface) -> Tensor:
    band = (torch.sin(s.x / s.scale * 6.2832) * 4).clamp(-1, 1) * 0.5
    return s.mixed(0.5 + band * _fade(1.0, s.blur / s.scale))


def _checks(s: Surface) -> Tensor:
    one = (torch.sin(s.x / s.scale * 3.1416) * 4).clamp(-1, 1)
    two = (torch.sin(s.y / s.scale * 3.1416) * 4).clamp(-1, 1)
    return s.mixed(0.5 + 0.25 * (one + two) * _fade(1.0, s.blur / s.scale))


def _picture(s: Surface) -> Tensor:
    base = torch.lerp(s.color, s.second, ((s.part[1] + 0.5 * s.field * s.scale) * 2.5 + 0.5).clamp(0, 1))
    spot = ((s.other * s.scale * 1.3 + s.part[0] * 0.5 - 0.25) * 8).clamp(0, 1)
    base = torch.lerp(base, _hash(s.offset) ** 2, spot)
    return base * (0.8 + 0.3 * s.field)


def _screen(s: Surface) -> Tensor:
    x, y = s.part[0], s.part[1]
    window = ((x.abs() < 0.62) & (y > -0.55) & (y < 0.7)).float()
    line = (y * 14).floor()
    text = ((y * 14 - line < 0.5) & (_hash(line) * 1.2 - 0.6 > x)).float()
    film = torch.lerp(s.color, s.second, ((y + s.field) * 2 + 0.5).clamp(0, 1))
    page = torch.lerp(film * 0.5, (0.9 - 0.6 * text).expand_as(film), window)
    return torch.where(_hash(s.offset[0]) < 0.5, page, film * (0.7 + 0.5 * s.other))


def _stone(s: Surface) -> Tensor:
    speck = _hash((s.x * 160).floor() + (s.y * 160).floor() * 91 + (s.z * 160).floor() * 13)
    return s.mixed(0.5 + 0.5 * s.field + (speck - 0.5) * _fade(0.02, s.blur))


def _view(s: Surface) -> Tensor:
    # Own axes are sorted by length, so a tall window's height may be its first axis: both look like outdoors.
    horizon = s.part[1] * 2.2 + 0.35 + s.field * 0.9
    return torch.lerp(s.second, s.color, (horizon * 2 + 0.5).clamp(0, 1)) * (0.85 + 0.3 * s.other)


def _label(s: Surface) -> Tensor:
    band = ((s.part[1].abs() < 0.45) & (s.part[0].abs() < 0.7)).float()
    text = (_hash((s.part[0] * 8).floor() + (s.part[1] * 9).floor() * 5) < 0.35).float()
    return s.mixed(band * (0.4 + 0.6 * text))


def _keys(s: Surface) -> Tensor:
    across, along = s.x / s.scale, s.y / s.scale
    inside = torch.maximum((across - across.floor() - 0.5).abs(), (along - along.floor() - 0.5).abs()) < 0.4
    return s.mixed(inside * (0.3 + 0.7 * _fade(0.02, s.blur)))


_PATTERNS: dict[Texture, Callable[[Surface], Tensor]] = {
    Texture.WOOD: _wood, Texture.PLANKS: _planks, Texture.FABRIC: _fabric, Texture.CARPET: _carpet,
    Texture.TILES: _tiles, Texture.STRIPES: _stripes, Texture.CHECKS: _checks, Texture.PICTURE: _picture,
    Texture.SCREEN: _screen, Texture.STONE: _stone, Texture.VIEW: _view, Texture.LABEL: _label, Texture.KEYS: _keys,
}  # fmt: skip


@lru_cache(maxsize=4)
def _volume(device: str) -> Tensor:
    """float32 (1, C, S + 1, S + 1, S + 1), values about in [−1, 1], the last plane equal to the first."""
    rng = np.random.default_rng(71)
    total = torch.zeros(_CHANNELS, _SIZE, _SIZE, _SIZE)
    for cells, weight in ((6, 0.5), (12, 0.3), (24, 0.2)):
        lattice = torch.from_numpy(rng.uniform(-1, 1, (1, _CHANNELS, cells, cells, cells)).astype(np.float32))
        wrapped = functional.pad(lattice, (1, 1, 1, 1, 1, 1), mode="circular")
        step = _SIZE // cells
        grown = functional.interpolate(wrapped, scale_factor=step, mode="trilinear", align_corners=False)
        total += grown[0, :, step:-step, step:-step, step:-step] * (weight * 1.7)
    return functional.pad(total[None], (0, 1, 0, 1, 0, 1), mode="circular").to(device)


def noise(place: Tensor) -> Tensor:
    """Smooth noise of several octaves.

    Args:
        place: float32 (3, P); the pattern repeats at every integer, its largest blobs are 1/6 wide.

    Returns:
        float32 (2, P), two independent fields, about in [−1, 1].
    """
    at = ((place - place.floor()) * 2 - 1).T.contiguous()
    return functional.grid_sample(_volume(str(place.device)), at[None, :, None, None], align_corners=True)[
        0, :, :, 0, 0
    ]
