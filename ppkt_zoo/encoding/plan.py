"""How sources are encoded: everything that decides the outputs, and what a process needs to make them."""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, cast

from ppkt_zoo.backbones.arguments import Tile
from ppkt_zoo.encoding.own_outputs import MARK
from ppkt_zoo.encoding.sources import Source
from ppkt_zoo.engine.machine import versions
from ppkt_zoo.errors import InputError, printable
from ppkt_zoo.files.strict_json import read_json
from ppkt_zoo.files.writing import write_json
from ppkt_zoo.zoo.config import MODEL, READOUT
from ppkt_zoo.zoo.folder import WeightFolder

#: Reads one source: a path → positions in metres with z up, colours or None; notes, if it has any, as an attribute.
Read = Callable[[Path], Any]
_FORMAT = 1


@dataclass(frozen=True)
class Options:
    """What decides the arrays of an output, beside the weight and the source.

    Attributes:
        read: how a source is read.
        levels, tile: see :meth:`ppkt_zoo.backbones.Backbone.encode`.
        how: its other keyword arguments: sampling, extras, views, readout.
        half: whether features are stored as 16-bit floats.
    """

    read: Read
    levels: str | Sequence[str] = "last"
    tile: Tile = None
    how: Mapping[str, Any] | None = None
    half: bool = False

    def told(self) -> dict[str, Any]:
        """The same as JSON values."""
        how = {name: _plain(value) for name, value in (self.how or {}).items()}
        return {
            "read": reader_told(self.read),
            "levels": _plain(self.levels),
            "tile": self.tile,
            **how,
            "half": self.half,
        }


@dataclass(frozen=True)
class Plan:
    """One run over many sources, as every process of it has it.

    Attributes:
        weight: name of the weight.
        folder: where its files lie.
        options: what decides the arrays.
        making: 64 hexadecimal digits that change with the weight or an option.
        out, ending: where outputs go and what their names end in.
        overwrite: whether outputs that were made otherwise are made again.
        device, engine: what computes; they change features by rounding alone.
        threads: of each process; None leaves torch its own choice.
        prepare: called in every new process, such as to import backbones of one's own.
    """

    weight: str
    folder: Path
    options: Options
    making: str
    out: Path
    ending: str
    overwrite: bool = False
    device: str = "cpu"
    engine: str = "auto"
    threads: int | None = None
    prepare: Callable[[], None] | None = None

    def target(self, source: Source) -> Path:
        """Where a source's features go."""
        return self.out / f"{source.name}{self.ending}"


def making_of(folder: WeightFolder, options: Options, ending: str) -> dict[str, Any]:
    """What decides the outputs, as JSON values: ``encode.json`` without its head."""
    files = folder.config.files
    weight = {"name": folder.config.name, "model": files[MODEL].sha256}
    if READOUT in files:
        weight["readout"] = files[READOUT].sha256
    return {"weight": weight, "options": options.told(), "ending": ending}


def digits_of(making: Mapping[str, Any]) -> str:
    """64 hexadecimal digits of it."""
    return hashlib.sha256(json.dumps(making, sort_keys=True, allow_nan=False).encode()).hexdigest()


def keep_making(
    out: Path, making: Mapping[str, Any], base: Path, overwrite: bool, error: type[InputError]
) -> list[str]:
    """Write ``encode.json``, which says how the outputs of a folder are made.

    Args:
        out: the folder of outputs.
        making: see :func:`making_of`.
        base: the folder that names of outputs go from; noted, but decides nothing.
        overwrite: whether it may be replaced by one of another making.
        error: what is raised where it cannot be written.

    Returns:
        What there is to remark.

    Raises:
        InputError: the folder's outputs are made otherwise, or its ``encode.json`` is none.
        error: it cannot be written.
    """
    file, remarks = out / MARK, []
    made_by = f"ppkt-zoo {versions(['ppkt-zoo']).get('ppkt-zoo', 'of no known version')}"
    head = {"format": _FORMAT, "made_by": made_by, "sources_below": printable(str(base))}
    if file.exists():
        kept = read_json(file, InputError, "description of a folder of outputs")
        if not isinstance(kept, dict) or kept.get("format") != _FORMAT:
            raise InputError(f"{file}: something else than ppkt-zoo wrote this file: give outputs another --out")
        if (before := {name: kept.get(name) for name in making}) != dict(making) and not overwrite:
            raise InputError(
                f"{out} holds outputs that were made otherwise ({_difference(before, making)}): give the same weight "
                "and options, another --out, or --overwrite to make them again"
            )
        if (other := kept.get("sources_below")) != head["sources_below"]:
            remarks.append(f"outputs of an earlier run mirror {other}, those of this run {base} (--base chooses it)")
        if before == dict(making) and not remarks:
            return remarks
    write_json(file, head | dict(making), error)
    return remarks


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first values that differ, in words."""
    old, new = _flat(before), _flat(now)
    told = [
        f"{name}: {old.get(name)} then, {new.get(name)} now" for name in new | old if old.get(name) != new.get(name)
    ]
    return "; ".join(told[:3])


def _flat(value: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, one in value.items():
        flat |= _flat(one, f"{head}{name} ") if isinstance(one, Mapping) else {f"{head}{name}": one}
    return flat


def reader_told(read: Read) -> Any:
    """What tells one way to read from another, as JSON values."""
    if isinstance(read, functools.partial):
        arguments = {name: _plain(value) for name, value in read.keywords.items()}
        return {"function": reader_told(read.func), "arguments": [*map(_plain, read.args), arguments]}
    told = getattr(read, "told", None)
    if callable(told):
        return told()
    if is_dataclass(read) and not isinstance(read, type):
        return {"function": _named(type(read)), **{name: _plain(value) for name, value in asdict(read).items()}}
    return _named(read if hasattr(read, "__qualname__") else type(read))


def _named(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def _plain(value: Any) -> Any:
    """A value as JSON has it; of what it has no form for, its text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value if not isinstance(value, str) else str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    dump = getattr(value, "model_dump", None)
    return _plain(cast(Any, dump)(mode="json")) if callable(dump) else str(value)
