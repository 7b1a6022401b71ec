"""What is used where no name is given: the weight to begin with, and the model of a task."""

from ppkt_zoo.errors import WeightError
from ppkt_zoo.zoo.head import HEADS
from ppkt_zoo.zoo.manifest import BundledSource, WeightSpec, load_manifest

# The one that works with and without colour.
_FIRST_CHOICE = "sr_unet14_small.ppkt_voc"


def default_weight() -> str:
    """The name of the weight that commands use where none is given: the flagship, or the first one that is bundled.

    Raises:
        WeightError: no weight is bundled with this installation.
    """
    bundled = [weight.name for weight in _bundled() if not any(head.tensors in weight.files for head in HEADS)]
    if bundled:
        return _FIRST_CHOICE if _FIRST_CHOICE in bundled else bundled[0]
    raise WeightError(
        "no weight is bundled with this ppkt-zoo, and random features would show nothing: "
        "make one with 'ppkt-zoo pretrain', then give it by --weight local-dir:PATH"
    )


def default_model(task: str) -> str:
    """The name of the bundled model that commands use where none is given.

    Args:
        task: "segmentation" or "detection", see :data:`ppkt_zoo.zoo.head.HEADS`.

    Raises:
        WeightError: no model of this task is bundled with this installation.
    """
    tensors = {head.task: head.tensors for head in HEADS}[task]
    bundled = [weight.name for weight in _bundled() if tensors in weight.files]
    if bundled:
        return bundled[0]
    raise WeightError(
        f"no model for {task} is bundled with this ppkt-zoo: train one with 'ppkt-zoo {task} train own', then give it "
        "by --model OUT/model"
    )


def _bundled() -> list[WeightSpec]:
    return [weight for weight in load_manifest().weights if isinstance(weight.source, BundledSource)]
