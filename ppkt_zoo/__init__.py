"""ppkt-zoo: pretrained 3D backbones, and a feature worth using for every point of your cloud.

    import ppkt_zoo
    backbone = ppkt_zoo.load_backbone(ppkt_zoo.list_weights()[0])
    features = backbone.encode(xyz, rgb)

Every name here loads on first use, so that ``import ppkt_zoo`` costs milliseconds.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ppkt_zoo.engine.thread_policy import let_threads_sleep
from ppkt_zoo.errors import PPKTZooError
from ppkt_zoo.moved import find_moved_modules

if TYPE_CHECKING:
    from ppkt_zoo.downstream.detection import detect, load_detector, save_detector
    from ppkt_zoo.downstream.segmentation import load_segmentation, save_segmentation
    from ppkt_zoo.points.cloud import CloudBatch, PointCloud
    from ppkt_zoo.points.input_spec import InputSpec
    from ppkt_zoo.zoo.load import list_weights, load_backbone, load_projection, verify
    from ppkt_zoo.zoo.registry import create_backbone, list_backbones, register_backbone

__version__ = "0.1.0"

# Here, since it must come before torch.
let_threads_sleep()
find_moved_modules()

__all__ = [
    "CloudBatch",
    "InputSpec",
    "PPKTZooError",
    "PointCloud",
    "__version__",
    "create_backbone",
    "detect",
    "list_backbones",
    "list_weights",
    "load_backbone",
    "load_detector",
    "load_projection",
    "load_segmentation",
    "register_backbone",
    "save_detector",
    "save_segmentation",
    "verify",
]

_HOME = {
    "CloudBatch": "ppkt_zoo.points.cloud",
    "InputSpec": "ppkt_zoo.points.input_spec",
    "PointCloud": "ppkt_zoo.points.cloud",
    "create_backbone": "ppkt_zoo.zoo.registry",
    "detect": "ppkt_zoo.downstream.detection",
    "list_backbones": "ppkt_zoo.zoo.registry",
    "list_weights": "ppkt_zoo.zoo.load",
    "load_backbone": "ppkt_zoo.zoo.load",
    "load_detector": "ppkt_zoo.downstream.detection",
    "load_projection": "ppkt_zoo.zoo.load",
    "load_segmentation": "ppkt_zoo.downstream.segmentation",
    "register_backbone": "ppkt_zoo.zoo.registry",
    "save_detector": "ppkt_zoo.downstream.detection",
    "save_segmentation": "ppkt_zoo.downstream.segmentation",
    "verify": "ppkt_zoo.zoo.load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
