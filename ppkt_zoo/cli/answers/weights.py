"""What list, show, verify, fetch, cache, publish and convert find."""

from pydantic import Field

from ppkt_zoo.cli.answers.base import Answer, Files, PathText
from ppkt_zoo.files.validation import StrictModel
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.zoo.manifest import Source, WeightSpec
from ppkt_zoo.zoo.record import Metric, WeightRecord

# As ppkt_zoo.cli.group has it, which this does not need.
_FAILED = 2


class WeightRow(StrictModel):
    """A listed weight in short."""

    name: str
    parameters: int
    voxel_size: float = Field(description="metres")
    bytes: int = Field(description="of all its files")
    source: Source
    teacher: str | None
    further_teachers: tuple[str, ...] = Field(description="names of those beside the first")
    data: tuple[str, ...] = Field(description="names of what it was trained on")
    licence: str
    metrics: tuple[Metric, ...]


class BackboneRow(StrictModel):
    """An architecture with its default arguments."""

    name: str
    parameters: int
    levels: dict[str, int] = Field(description="channels of each level, coarse to fine")
    weights: tuple[str, ...] = Field(description="listed weights of this architecture")


class Listed(Answer):
    """Of ``list``: weights, or backbones where those were asked for."""

    weights: tuple[WeightRow, ...] = ()
    backbones: tuple[BackboneRow, ...] = ()


class ShownWeight(StrictModel):
    """All about a weight."""

    name: str
    input_spec: InputSpec
    record: WeightRecord


class Shown(Answer):
    """Of ``show``: a weight, or a backbone where the name has no tag."""

    weight: ShownWeight | None = None
    backbone: BackboneRow | None = None


class Verification(StrictModel):
    """Whether a weight is whole and computes here what it is said to."""

    name: str
    verified: bool
    error: str | None = Field(description="why not")
    device: str | None = None
    engine: str | None = None
    points: int | None = Field(default=None, description="of its reference cloud")
    errors: dict[str, float] = Field(default={}, description="largest relative error of each output")
    tolerance: float | None = None
    seconds: float | None = None


class Verified(Answer):
    """Of ``verify``; exit code 2 where a weight is not verified."""

    weights: tuple[Verification, ...]

    @property
    def exit_code(self) -> int:
        """Of the process."""
        return 0 if all(one.verified for one in self.weights) else _FAILED


class FetchedWeight(StrictModel):
    """A weight on this machine."""

    name: str
    bytes: int
    path: PathText


class Fetched(Answer):
    """Of ``fetch``."""

    weights: tuple[FetchedWeight, ...]


class CacheEntry(StrictModel):
    """Something that the cache holds, or held."""

    kind: str = Field(description="hub, mirror, rooms or teacher")
    name: str
    bytes: int
    path: PathText


class Cached(Answer):
    """Of ``cache``."""

    entries: tuple[CacheEntry, ...] = Field(description="what there was of these kinds")
    removed: int = Field(description="how many of them were removed")


class Published(Answer):
    """Of ``publish``."""

    repo: str
    tag: str
    dry_run: bool
    url: str | None = Field(description="null in a dry run")
    sizes: dict[str, int] = Field(description="bytes of each file in the repository")
    entry: WeightSpec = Field(description="of the manifest; in a dry run with a revision of zeros")
    card: str = Field(description="the model card, Markdown")
    manifest: PathText | None = Field(description="the manifest that has the entry now")


class Converted(Files):
    """Of ``convert minkowski``."""

    name: str
    parameters: int
    left_out: tuple[str, ...] = Field(description="tensors of the checkpoint that belong to no such network")


class Exported(Files):
    """Of ``convert spunet``."""

    tensors: int
