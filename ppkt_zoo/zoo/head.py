"""What a fine-tuned weight carries beside its backbone, whatever its task is: two files with an output of their own.

The code of a task reads its head, and is imported when a folder that carries one is met, not before.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar

from torch import Tensor

from ppkt_zoo.errors import WeightError
from ppkt_zoo.files.validation import StrictModel, parse_json
from ppkt_zoo.zoo.golden import Golden
from ppkt_zoo.zoo.tensors import check_finite, decode_tensors, encode_tensors

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone
    from ppkt_zoo.zoo.folder import WeightFolder


@dataclass(frozen=True)
class HeadFormat:
    """How one task's head lies in a weight folder.

    Attributes:
        task: what config.json's reader calls it, and a command of ours.
        tensors, config: names of its two files; a folder has both or none.
        reader: ``module:function`` that makes a :class:`TaskHead` of a :class:`~ppkt_zoo.zoo.folder.WeightFolder`.
        card: what its line on the card says of the two files.
    """

    task: str
    tensors: str
    config: str
    reader: str
    card: str


#: Every task's head. Whoever adds one adds a line here, and a class that fits :class:`TaskHead`.
HEADS: Final = (
    HeadFormat(
        "segmentation",
        "head.safetensors",
        "head.json",
        "ppkt_zoo.downstream.segmentation.folder:read_segmentation_head",
        "a linear head, `load_segmentation(…)` gives backbone and head",
    ),
    HeadFormat(
        "detection",
        "detector.safetensors",
        "detector.json",
        "ppkt_zoo.downstream.detection.folder:read_detection_head",
        "a VoteNet head, `load_detector(…)` gives backbone and head",
    ),
)


class TaskHead(Protocol):
    """A head that was read from its files, or is about to be written.

    Attributes:
        classes: names of what it tells apart.
    """

    @property
    def classes(self) -> tuple[str, ...]: ...

    def files(self, backbone: "Backbone", golden: Golden) -> dict[str, bytes]:
        """Name → content of its two files, by :func:`encode_head`.

        Args:
            backbone: as the folder stores it, rounded, on the CPU.
            golden: the folder's reference output; the head's own is computed from it and stored.
        """

    def errors(self, backbone: "Backbone", golden: Golden, features: Mapping[str, Tensor]) -> dict[str, float]:
        """Name → largest difference between an output and the stored one, as a part of the largest value.

        Args:
            backbone: in eval mode, on any device.
            golden: the folder's reference output.
            features: level → float32 (K, C), what the backbone gives now for the golden rows.
        """


class HeadConfig(StrictModel):
    """What the JSON file of a head begins with; the header of its tensors repeats the whole file."""

    format: Literal[1] = 1

    def content(self) -> dict[str, Any]:
        """What the files hold; fields that are absent are left out, as older versions wrote it."""
        return self.model_dump(mode="json", exclude_none=True)


_Config = TypeVar("_Config", bound=HeadConfig)


def format_of(task: str) -> HeadFormat:
    """The format of a task's head."""
    return next(one for one in HEADS if one.task == task)


def read_head(folder: "WeightFolder") -> TaskHead | None:
    """The head of a weight, whichever task it is for; None for a backbone alone.

    Raises:
        WeightError: its files are damaged or do not fit.
    """
    if folder.config.head is None:
        return None
    module, _, function = folder.config.head.reader.partition(":")
    head: TaskHead = getattr(importlib.import_module(module), function)(folder)
    return head


def encode_head(task: str, config: HeadConfig, tensors: Mapping[str, Tensor]) -> dict[str, bytes]:
    """The two files of a head: name → content."""
    files = format_of(task)
    text = config.model_dump_json(indent=2, exclude_none=True)
    return {files.tensors: encode_tensors(tensors, config.content()), files.config: text.encode()}


def check_task(folder: "WeightFolder", task: str) -> HeadFormat:
    """The format of a task's head; WeightError where a weight has no such head."""
    found = folder.config.head
    if found is None or found.task != task:
        carries = "is a backbone without a head" if found is None else f"has a head for {found.task}, not for {task}"
        raise WeightError(f"{folder.config.name} {carries}: fine-tune one first, ppkt-zoo {task} train RECIPE")
    return found


def decode_head(folder: "WeightFolder", task: str, model: type[_Config]) -> tuple[_Config, dict[str, Tensor], str]:
    """The two files of a task's head, read strictly: config, tensors, and how messages name the tensors' file.

    Raises:
        WeightError: this weight has no such head, or the files are damaged or do not fit each other.
    """
    files = check_task(folder, task)
    where = str(folder.path / files.tensors)
    config = parse_json(model, folder.read(files.config), str(folder.path / files.config), WeightError)
    tensors, header = decode_tensors(folder.read(files.tensors), where)
    if header != config.content():
        changed = header if isinstance(header, dict) else {}
        fields = [name for name, value in config.content().items() if changed.get(name) != value]
        raise WeightError(
            f"{where} and {files.config} disagree on {', '.join(fields) or 'their fields'}: get the folder again"
        )
    for name, tensor in tensors.items():
        check_finite(name, tensor, where)
    return config, tensors, where
