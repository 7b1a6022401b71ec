"""ppkt-zoo: pretrained 3D backbones, and a feature worth using for every point of your cloud.

    import ppkt_zoo
    backbone = ppkt_zoo.load_backbone(ppkt_zoo.list_weights()[0])
    features = backbone.encode(xyz, rgb)

Every name here loads on first use, so that ``import ppkt_zoo`` costs milliseconds.
"""

from typing import TYPE_CHECKING

from ppkt_zoo.engine.thread_policy import let_threads_sleep
from ppkt_zoo.errors import PPKTZooError
from ppkt_zoo.files.optional import lazy_names
from ppkt_zoo.moved import find_moved_modules

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone
    from ppkt_zoo.data.own_cloud import load_cloud
    from ppkt_zoo.downstream.detection import detect, load_detector, save_detector
    from ppkt_zoo.downstream.segmentation import load_segmentation, save_segmentation
    from ppkt_zoo.encoding.run import encode_files
    from ppkt_zoo.points.cloud import CloudBatch, PointCloud
    from ppkt_zoo.points.input_spec import InputSpec
    from ppkt_zoo.visualization.page import view
    from ppkt_zoo.zoo.default import default_weight
    from ppkt_zoo.zoo.load import list_weights, load_backbone, load_projection, verify
    from ppkt_zoo.zoo.registry import create_backbone, list_backbones, register_backbone

__version__ = "0.1.0"

# Here, since it must come before torch.
let_threads_sleep()
find_moved_modules()

__all__ = [
    "Backbone",
    "CloudBatch",
    "InputSpec",
    "PPKTZooError",
    "PointCloud",
    "__version__",
    "create_backbone",
    "default_weight",
    "detect",
    "encode_files",
    "list_backbones",
    "list_weights",
    "load_backbone",
    "load_cloud",
    "load_detector",
    "load_projection",
    "load_segmentation",
    "register_backbone",
    "save_detector",
    "save_segmentation",
    "verify",
    "view",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ppkt_zoo.backbones.base": "Backbone",
        "ppkt_zoo.data.own_cloud": "load_cloud",
        "ppkt_zoo.downstream.detection": "detect load_detector save_detector",
        "ppkt_zoo.downstream.segmentation": "load_segmentation save_segmentation",
        "ppkt_zoo.encoding.run": "encode_files",
        "ppkt_zoo.points.cloud": "CloudBatch PointCloud",
        "ppkt_zoo.points.input_spec": "InputSpec",
        "ppkt_zoo.visualization.page": "view",
        "ppkt_zoo.zoo.default": "default_weight",
        "ppkt_zoo.zoo.load": "list_weights load_backbone load_projection verify",
        "ppkt_zoo.zoo.registry": "create_backbone list_backbones register_backbone",
    },
)
