"""Procedural colour of each hit: two colours of a material mixed by a pattern in the primitive's own frame."""

import torch
from torch import Tensor

from ppkt_zoo.data.rooms.materials import Texture
from ppkt_zoo.data.rooms.noise import noise

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
    texture: Tensor, color: Tensor, second: Tensor, scale: Tensor, place: Tensor, part: Tensor, offset: Tensor, blur: Tensor
) -> Tensor:
    """Colour of surface points.

    Args:
        texture: int64 (P,), see Texture.
        color, second: float32 (P, 3), linear light.
        scale: float32 (P,), size of the pattern in metres.
        place: float32 (P, 3), metres from the primitive's middle along its longest, middle, shortest axis.
        part: float32 (P, 3), the same as fractions of the half extents, −1 to 1.
        offset: float32 (P, 3), where in the noise this primitive lies.
        blur: float32 (P,), size of a pixel there in metres: finer patterns fade out.

    Returns:
        float32 (P, 3), linear albedo.
    """
    frequency = _TABLE.to(place.device)[texture]
    field, other = noise(place * frequency + offset)
    mix = 0.5 + 0.35 * field
    out = torch.empty_like(color)
    done = torch.zeros_like(texture, dtype=torch.bool)
    for kind, pattern in _PATTERNS.items():
        rows = (texture == int(kind)).nonzero()[:, 0]
        if rows.numel():
            done[rows] = True
            out[rows] = pattern(
                color[rows], second[rows], scale[rows, None], place[rows], part[rows], field[rows, None], other[rows, None],
                offset[rows], blur[rows, None],
            )  # fmt: skip
    plain = color + (second - color) * mix[:, None].clamp(0, 1)
    return torch.where(done[:, None], out, plain)


def _fade(period, blur: Tensor) -> Tensor:
    """1 where a pattern of that period is resolved, 0 where a pixel covers more than half of it."""
    return ((period / blur - 2) / 3).clamp(0, 1)


def _hash(value: Tensor) -> Tensor:
    """A number in [0, 1) for each cell number."""
    return (torch.sin(value * 12.9898 + 4.1) * 43758.5453).frac().abs()


def _wood(color, second, scale, place, part, field, other, offset, blur) -> Tensor:
    rings = 0.5 + 0.5 * torch.sin(field * 16 + place[:, 1:2] * 30)
    mix = 0.25 + 0.45 * rings * _fade(0.04, blur) + 0.3 * other
    return color + (second - color) * mix.clamp(-0.3, 1.2)


def _planks(color, second, scale, place, part, field, other, offset, blur) -> Tensor:
    row = (place[:, 1:2] / scale).floor()
    shift = _hash(row) * 7
    along = place[:, :1] / (scale * 9) + shift
    tone = _hash(row * 17 + along.floor() * 3)
    edge = torch.minimum((place[:, 1:2] / scale).frac().abs(), (1 - (place[:, 1:2] / scale).frac().abs())) * scale
    seam = (1 - (edge / (blur * 0.7 + 0.0015)).clamp(0, 1)) * (0.002 / (blur * 0.7 + 0.0015)).clamp(0, 1)
    rings = 0.5 + 0.5 * torch.sin(field * 18 + tone * 40)
    mix = 0.1 + 0.6 * tone + 0.3 * (rings - 0.5) * _fade(0.05, blur) + 0.25 * other
    base = color + (second - color) * mix.clamp(-0.3, 1.3)
    return base * (1 - 0.6 * seam)


def _fabric(color, second, scale, place, part, field, other, offset, blur) -> Tensor:
    weave = torch.sin(place[:, :1] * 1600) * torch.sin(place[:, 1:2] * 1600 + 1) + torch.sin(place[:, 2:] * 1600)
    mix = 0.5 + 0.4 * field * _fade(0.03, blur) + 0.25 * weave * _fade(0.004, blur)
    return color + (second - color) * mix


def _carpet(color, second, scale, place, part, field, other, offset, blur) -> Tensor:
    grain = _hash((place[:, :1] * 350).floor() + (place[:, 1:2] * 350).floor() * 57)
    mix = 0.5 + 0.5 * field * _fade(0.03, blur) + 0.6 * (grain - 0.5) * _fade(0.012, blur)
    return color + (second - color) * mix


def _tiles(color, second, scale, place, part, field, other, offset, blur) -> Tensor:
    cell = place[:, :2] / scale
    inside = cell - cell.floor()
    edge = torch.minimum(inside, 1 - inside).amin(1, keepdim=True) * scale
    wide = 0.003 + 0.5 * blur
    joint = (1 - (edge / wide).clamp(0, 1)) * (0.0045 / wide).clamp(0, 1)
    tone = _hash(cell[:, :1].floor() * 31 + cell[:, 1:].floor() * 7)
    base = color * (0.94 + 0.1 * tone + 0.05 * field)
    return base + (second - base) * joint


def _stripes(color, second, scale, place, part, field, other, offset, blur) -> Tensor:
    wave = torch.sin(place[:, :1] / scale * 6.2832)
    band = (wave * 4).clamp(-1, 1) * 0.5 + 0.5
    return color + (second - color) * (0.5 + (band - 0.5) * _fade(1.0, blur / scale))


def _checks(color, second, scale, place, part, field, other, offset, blur) -> Tensor:
    one = (torch.sin(place[:, :1] / scale * 3.1416) * 4).clamp(-1, 1)
    two = (torch.sin(place[:, 1:2] / scale * 3.1416) * 4).clamp(-1, 1)
    mix = 0.5 + 0.25 * (one + two) * _fade(1.0, blur / scale)
    return color + (second - color) * mix


def _picture(color, second, scale, place, part, field, other, offset, blur) -> Tensor:
    high = part[:, 1:2] + 0.5 * field * scale
    base = color + (second - color) * (high * 2.5 + 0.5).clamp(0, 1)
    spot = ((other * scale * 1.3 + part[:, :1] * 0.5 - 0.25) * 8).clamp(0, 1)
    tint = torch.cat([_hash(offset[:, :1]), _hash(offset[:, 1:2]), _hash(offset[:, 2:])], dim=1) ** 2
    base = base + (tint - base) * spot
    return base * (0.8 + 0.3 * field)


def _screen(color, second, scale, place, part, field, other, offset, blur) -> Tensor:
    window = ((part[:, :1].abs() < 0.62) & (part[:, 1:2] > -0.55) & (part[:, 1:2] < 0.7)).float()
    document = _hash(offset[:, :1]) < 0.5
    lines = ((part[:, 1:2] * 14).frac().abs() < 0.5).float() * (_hash((part[:, 1:2] * 14).floor()) * 1.2 - 0.6 > part[:, :1]).float()
    paper = 0.9 - 0.6 * lines
    film = color + (second - color) * ((part[:, 1:2] + field) * 2 + 0.5).clamp(0, 1)
    page = film * 0.5 * (1 - window) + paper * window
    return torch.where(document, page, film * (0.7 + 0.5 * other))


def _stone(color, second, scale, place, part, field, other, offset, blur) -> Tensor:
    speck = _hash((place[:, :1] * 160).floor() + (place[:, 1:2] * 160).floor() * 91 + (place[:, 2:] * 160).floor() * 13)
    mix = 0.5 + 0.5 * field + (speck - 0.5) * _fade(0.02, blur)
    return color + (second - color) * mix.clamp(-0.2, 1.3)


def _view(color, second, scale, place, part, field, other, offset, blur) -> Tensor:
    # Own axes are sorted by length, so a tall window's height may be its first axis: both look like outdoors.
    horizon = part[:, 1:2] * 2.2 + 0.35 + field * 0.9
    base = second + (color - second) * (horizon * 2 + 0.5).clamp(0, 1)
    return base * (0.85 + 0.3 * other)


def _label(color, second, scale, place, part, field, other, offset, blur) -> Tensor:
    band = ((part[:, 1:2].abs() < 0.45) & (part[:, :1].abs() < 0.7)).float()
    text = (_hash((part[:, :1] * 8).floor() + (part[:, 1:2] * 9).floor() * 5) < 0.35).float()
    return color + (second - color) * band * (0.4 + 0.6 * text)


def _keys(color, second, scale, place, part, field, other, offset, blur) -> Tensor:
    cell = place[:, :2] / scale
    inside = (cell - cell.floor() - 0.5).abs().amax(1, keepdim=True)
    return color + (second - color) * (inside < 0.4).float() * (0.3 + 0.7 * _fade(0.02, blur))


_PATTERNS = {
    Texture.WOOD: _wood, Texture.PLANKS: _planks, Texture.FABRIC: _fabric, Texture.CARPET: _carpet, Texture.TILES: _tiles,
    Texture.STRIPES: _stripes, Texture.CHECKS: _checks, Texture.PICTURE: _picture, Texture.SCREEN: _screen,
    Texture.STONE: _stone, Texture.VIEW: _view, Texture.LABEL: _label, Texture.KEYS: _keys,
}  # fmt: skip
