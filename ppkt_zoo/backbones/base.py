"""Backbone: points in, a feature for every point out, in their order."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ppkt_zoo.backbones.modes import eval_mode
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.sparse import get_engine
from ppkt_zoo.sparse.denormals import flushed_denormals


class PointFeatures(Mapping[str, Tensor]):
    """Features of every point at every level, gathered to the points only when asked for.

    A mapping level name → float tensor (N, C_level), coarse to fine. Gathering is done in float32 at
    least, so that gradients of many points in one voxel add up without loss.
    """

    def __init__(self, levels: Mapping[str, Tensor], row_of_point: Callable[[str], Tensor]) -> None:
        """Args:
        levels: features (M_level, C_level) of each level's own rows.
        row_of_point: level name → int64 (N,), the row of each point at that level.
        """
        self._levels = levels
        self._find_rows = row_of_point
        self._rows: dict[str, Tensor] = {}

    def __getitem__(self, level: str) -> Tensor:
        return self.at(level)

    def __iter__(self) -> Iterator[str]:
        return iter(self._levels)

    def __len__(self) -> int:
        return len(self._levels)

    def at(self, level: str, rows: Tensor | None = None) -> Tensor:
        """Features of some points only: float (len(rows), C_level).

        Args:
            level: name of the level.
            rows: int64 indices of points; all points where None.

        Raises:
            InputError: no such level.
        """
        if level not in self._levels:
            raise InputError(_unknown_level(level, list(self._levels)))
        if level not in self._rows:
            self._rows[level] = self._find_rows(level)
        where = self._rows[level] if rows is None else self._rows[level][rows]
        feats = self._levels[level]
        return feats.to(torch.promote_types(feats.dtype, torch.float32)).index_select(0, where)


class Backbone(nn.Module, ABC):
    """A network that gives every point a feature.

    Attributes:
        input_spec: how this network wants its points.
        level_channels: level name → channels, coarse to fine.
        engine: name of the sparse engine, see :func:`ppkt_zoo.sparse.get_engine`.
    """

    input_spec: InputSpec
    level_channels: dict[str, int]
    engine: str = "auto"

    def __init__(self, input_spec: InputSpec, level_channels: dict[str, int]) -> None:
        super().__init__()
        self.input_spec = input_spec
        self.level_channels = level_channels

    @property
    def out_channels(self) -> int:
        """Channels of the last (finest) level."""
        return list(self.level_channels.values())[-1]

    def set_engine(self, name: str) -> "Backbone":
        """Choose the sparse engine by name, see :func:`ppkt_zoo.sparse.get_engine`; returns the backbone.

        Raises:
            UnknownNameError: no such engine.
            EngineError: it is not installed.
        """
        get_engine(name)
        self.engine = name
        return self

    @abstractmethod
    def forward(self, batch: CloudBatch) -> PointFeatures:
        """Features of all points of a batch; this is what trains."""

    def encode(self, xyz: Any, rgb: Any = None, levels: str | Sequence[str] = "last", tile: float | None = None) -> Any:
        """Features of one cloud, in eval mode and without gradients; the mode is restored afterwards.

        Args:
            xyz: numpy array or tensor (N, 3), float32 or float64, metres, z up.
            rgb: uint8 (N, 3), floats in [0, 1], or None.
            levels: "last", a level's name, a list of names, or "all".
            tile: edge in metres of square columns that are encoded one after another, each with a margin
                around it, for clouds too big for memory.

        Returns:
            float32 (N, C), row i belongs to point i; a dict level → array where ``levels`` is a list or
            "all". numpy for numpy input; for a tensor, a tensor on the tensor's device.

        Raises:
            InputError: an argument does not fit, or no such level.
        """
        names = self._level_names(levels)
        if tile is not None and not tile > 0:
            raise InputError(f"tile is the edge of a column in metres and must be positive, got {tile}")
        cloud = PointCloud.from_arrays(xyz, rgb)
        device = next(self.parameters()).device
        with eval_mode(self), torch.no_grad(), flushed_denormals():
            features = self._encode(cloud.to(device), names, tile)
        answer = {name: self._like(feature.float(), xyz) for name, feature in features.items()}
        return answer[names[0]] if isinstance(levels, str) and levels != "all" else answer

    def _encode(self, cloud: PointCloud, names: list[str], tile: float | None) -> dict[str, Tensor]:
        """Features of all points at the named levels."""
        if tile is not None:
            raise InputError(f"{type(self).__name__} cannot encode in tiles: leave tile out")
        features = self.forward(CloudBatch.collate([cloud]))
        return {name: features[name] for name in names}

    def _level_names(self, levels: str | Sequence[str]) -> list[str]:
        known = list(self.level_channels)
        if isinstance(levels, str):
            if levels == "all":
                return known
            names = [known[-1] if levels == "last" else levels]
        else:
            names = [known[-1] if level == "last" else level for level in levels]
        if not names:
            raise InputError(f"levels is an empty list; known: {', '.join(known)}, 'last', 'all'")
        for name in names:
            if name not in known:
                raise InputError(_unknown_level(name, known))
        return names

    @staticmethod
    def _like(feature: Tensor, xyz: Any) -> Any:
        return feature.cpu().numpy() if isinstance(xyz, np.ndarray) else feature.to(xyz.device)


def _unknown_level(name: object, known: list[str]) -> str:
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"no level {name!r}: {hint}known, coarse to fine: {', '.join(known)}; or 'last', 'all'"
