"""PointFeatures: what a backbone's forward gives, a dict of features per point that is filled when it is read."""

import dataclasses
import difflib
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from torch.utils import _pytree

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.text import one_line

__all__ = ["PointFeatures", "at_rows", "unknown_level"]

# Stands in the dict for a level that nobody has read yet.
_UNREAD = cast(Tensor, object())


@dataclasses.dataclass
class _Fields:
    levels: Mapping[str, Tensor]


class PointFeatures(dict[str, Tensor]):
    """Features of every point at every level, gathered to the points only when they are read.

    A dict level name → float tensor (N, C_level), coarse to fine. A level that has been read is kept, so that
    everyone who reads it, hooks too, has the same tensor. Gathering is done in float32 at least, so that gradients
    of many points in one voxel add up without loss. ``at(level, rows)`` gathers some points only and keeps nothing:
    that is what training loops should use.

    It is a real dict, a node of torch's pytrees, and can be made from a dict of features per point: that is how DDP,
    FSDP, Accelerate and hooks look at the output of a network and put it together again.
    """

    # FSDP takes apart dataclasses and dicts, and puts only a dataclass together as what it was.
    __dataclass_fields__: ClassVar[dict[str, Any]] = {one.name: one for one in dataclasses.fields(_Fields)}

    def __init__(
        self,
        levels: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] = (),
        row_of_point: Callable[[str], Tensor] | None = None,
    ) -> None:
        """Args:
        levels: features (M_level, C_level) of each level's own rows; without ``row_of_point`` they are those of the
            points already.
        row_of_point: level name → int64 (N,), the row of each point at that level.
        """
        found = dict(levels)
        self._rows: dict[str, Tensor] = {}
        self._find_rows = row_of_point
        self._levels = {} if row_of_point is None else found
        super().__init__(found if row_of_point is None else dict.fromkeys(found, _UNREAD))

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _register(cls)

    @property
    def levels(self) -> dict[str, Tensor]:
        """All levels in a plain dict, float (N, C_level) each."""
        return dict(self)

    def at(self, level: str, rows: Tensor | None = None) -> Tensor:
        """Features of some points only: float (len(rows), C_level).

        Args:
            level: name of the level.
            rows: int64 indices of points; all points where None.

        Raises:
            InputError: no such level.
        """
        if rows is None:
            return self[level]
        stored = self._stored(level)
        return self._gather(level, rows) if stored is _UNREAD else _pick(stored, rows)

    def __getitem__(self, level: str) -> Tensor:
        stored = self._stored(level)
        if stored is not _UNREAD:
            return stored
        features = self._gather(level, None)
        source = self._levels[level]
        # Without gradients, or in inference mode, this is not what others must get who read later.
        lesser = (source.requires_grad and not features.requires_grad) or (
            features.is_inference() and not source.is_inference()
        )
        if not lesser:
            super().__setitem__(level, features)
        return features

    def _stored(self, level: str) -> Tensor:
        if level not in self:
            raise InputError(unknown_level(level, list(self)))
        return super().__getitem__(level)

    def _gather(self, level: str, rows: Tensor | None) -> Tensor:
        """Features of some points, or of all, at a level that has its own rows."""
        assert self._find_rows is not None
        if level not in self._rows:
            self._rows[level] = self._find_rows(level)
        where = self._rows[level] if rows is None else self._rows[level][rows]
        feats = self._levels[level]
        return feats.to(torch.promote_types(feats.dtype, torch.float32)).index_select(0, where)

    def changed(self, change: Callable[[str, Tensor], Tensor]) -> "PointFeatures":
        """The same with other numbers: ``change`` is given a level's name and features (M, C), row by row as they are.

        Features of a level that has rows of its own are changed there, before they are gathered to the points.
        """
        # Not by copy(), which gathers.
        new = type(self).__new__(type(self))
        vars(new).update(vars(self))
        new._levels = {level: change(level, feats) for level, feats in self._levels.items()}
        for level in self:
            stored = self._stored(level)
            dict.__setitem__(new, level, stored if stored is _UNREAD else change(level, stored))
        return new

    # What dict does in C would hand out levels that are not gathered yet.

    def __iter__(self) -> Iterator[str]:
        # That it is here makes dict(...), **... and update(...) of others read through __getitem__.
        return super().__iter__()

    def values(self) -> ValuesView[Tensor]:  # type: ignore[override]
        """As of any dict; each level is gathered when the iteration comes to it."""
        return ValuesView(self)

    def items(self) -> ItemsView[str, Tensor]:  # type: ignore[override]
        """As of any dict; each level is gathered when the iteration comes to it."""
        return ItemsView(self)

    def get(self, level: str, default: Any = None) -> Any:
        """As of any dict."""
        # Not by `get`, which is this.
        return self[level] if level in self else default  # noqa: SIM401

    def pop(self, level: str, *default: Any) -> Any:
        """As of any dict."""
        if level not in self:
            return super().pop(level, *default)
        features = self[level]
        del self[level]
        return features

    def popitem(self) -> tuple[str, Tensor]:
        """As of any dict: the finest level."""
        level = next(reversed(self), None)
        return super().popitem() if level is None else (level, self.pop(level))

    def setdefault(self, level: str, default: Any = None) -> Any:
        """As of any dict."""
        if level not in self:
            self[level] = default
        return self[level]

    def copy(self) -> "PointFeatures":
        """The same features, all gathered."""
        return type(self)(dict(self))

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | dict(self)

    def __eq__(self, other: object) -> bool:
        return dict(self) == (dict(other) if isinstance(other, PointFeatures) else other)

    __hash__ = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self)})"


def unknown_level(name: object, known: list[str]) -> str:
    """The message for a level that is not there."""
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    others = "'last', 'all', 'concat'"
    return f"no level {one_line(repr(name), 80)}: {hint}known, coarse to fine: {', '.join(known)}; or {others}"


def at_rows(features: Any, level: str, rows: Tensor) -> Tensor:
    """Features of some points, of what a network gives, or of a plain dict that a hook has put in its place."""
    found: Tensor = features.at(level, rows) if isinstance(features, PointFeatures) else features[level][rows]
    return found


def _pick(features: Tensor, rows: Tensor) -> Tensor:
    if rows.ndim == 1 and rows.dtype in (torch.int64, torch.int32):
        return features.index_select(0, rows)
    return features[rows]


def _register(kind: type[PointFeatures]) -> None:
    """Make a kind of PointFeatures a node of torch's pytrees, whose leaves are the features per point."""
    _pytree.register_pytree_node(
        kind,
        lambda features: (list(features.values()), list(features)),
        lambda leaves, names: kind(dict(zip(names, leaves, strict=True))),
        serialized_type_name=f"{kind.__module__}.{kind.__qualname__}",
        flatten_with_keys_fn=lambda features: (
            [(_pytree.MappingKey(name), leaf) for name, leaf in features.items()],
            list(features),
        ),
    )


_register(PointFeatures)
