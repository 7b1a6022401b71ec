"""The manifest: every weight that can be loaded by name, with all that can be checked about it."""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import FailFast, Field, field_validator, model_validator

from ppkt_zoo.errors import ManifestError, UnknownNameError
from ppkt_zoo.files.limits import MAX_TEXT
from ppkt_zoo.files.reading import read_file, usable_path
from ppkt_zoo.files.shipped import MANIFEST_PATHS
from ppkt_zoo.files.text import json_escaped
from ppkt_zoo.files.validation import StrictModel, parse_json
from ppkt_zoo.files.writing import write_whole
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.zoo.names import ListedName, StrPath, did_you_mean, nearest
from ppkt_zoo.zoo.record import (
    Architecture,
    Arguments,
    FileEntry,
    Repository,
    Revision,
    SafePath,
    WeightName,
    WeightRecord,
    check_complete,
    named_after_architecture,
)

FORMAT: Final = 1


class BundledSource(StrictModel):
    """A folder under ``ppkt_zoo/weights``."""

    kind: Literal["bundled"] = "bundled"
    folder: SafePath


class HubSource(StrictModel):
    """A repository on the Hugging Face Hub, at one commit."""

    kind: Literal["hub"] = "hub"
    repo: Repository
    revision: Revision


Source = Annotated[BundledSource | HubSource, Field(discriminator="kind")]


class WeightSpec(StrictModel):
    """One weight: what it is built of, its files, where they are, and the record of how it came to be."""

    name: WeightName
    architecture: Architecture
    arguments: Arguments
    input_spec: InputSpec
    source: Source
    files: dict[SafePath, FileEntry]
    record: WeightRecord

    @field_validator("files")
    @classmethod
    def _files_are_complete(cls, files: dict[str, FileEntry]) -> dict[str, FileEntry]:
        check_complete(files, ("config.json", "model.safetensors", "golden.safetensors", "record.json"))
        return files

    _named = model_validator(mode="after")(named_after_architecture)


class Manifest(StrictModel):
    """All listed weights; their names are unique."""

    format: Literal[1] = FORMAT
    weights: Annotated[tuple[WeightSpec, ...], FailFast()] = ()

    @field_validator("weights")
    @classmethod
    def _names_are_unique(cls, weights: tuple[WeightSpec, ...]) -> tuple[WeightSpec, ...]:
        names = [weight.name for weight in weights]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is listed more than once")
        return weights

    def names(self) -> list[str]:
        """Names of the weights, sorted."""
        return sorted(weight.name for weight in self.weights)

    def find(self, name: ListedName) -> WeightSpec:
        """The weight ``architecture.tag``.

        Raises:
            UnknownNameError: it is not listed; the message gives the nearest names.
        """
        for weight in self.weights:
            if weight.name == str(name):
                return weight
        same = [one for one in self.names() if one.startswith(f"{name.architecture}.")]
        near = nearest(str(name), same, 1)
        asked = f"did you mean {near[0]!r}? " if near and len(same) > 1 else ""
        hint = f"{asked}{name.architecture} has {', '.join(same)}" if same else did_you_mean(str(name), self.names())
        raise UnknownNameError(f"no weight is called {str(name)!r}: {hint}")


def load_manifest(path: StrPath | None = None) -> Manifest:
    """Read a manifest; without ``path``, the one of this installation.

    Raises:
        ManifestError: missing, damaged, or against the rules; the message names the field and the mend.
    """
    file = usable_path(path, ManifestError, "path of a manifest") if path is not None else _installed_manifest()
    if not os.path.lexists(file):
        mend = "install ppkt-zoo again" if path is None else "name the file that lists weights"
        raise ManifestError(f"the manifest {file} cannot be read (there is no such file): {mend}")
    data = read_file(file, ManifestError, "manifest", limit=MAX_TEXT)
    return parse_json(Manifest, data, file.name, ManifestError)


def write_manifest(manifest: Manifest, path: StrPath) -> None:
    """Write a manifest, weights in the order of their names; the old file stays until the new one is whole."""
    ordered = Manifest(weights=tuple(sorted(manifest.weights, key=lambda weight: weight.name)))
    write_whole(Path(path), to_json(ordered), ManifestError)


def to_json(model: StrictModel) -> str:
    """A model as indented JSON that ends in a newline; no terminal obeys what stands in it."""
    return json_escaped(model.model_dump_json(indent=2)) + "\n"


def _installed_manifest() -> Path:
    for file in MANIFEST_PATHS:
        if file.is_file():
            return file
    raise ManifestError(f"no manifest at {' or '.join(map(str, MANIFEST_PATHS))}: install ppkt-zoo again")


def with_weight(manifest: Manifest, weight: WeightSpec) -> Manifest:
    """The manifest with a weight added, or put in the place of the one of the same name."""
    others = tuple(one for one in manifest.weights if one.name != weight.name)
    return Manifest(weights=(*others, weight))
