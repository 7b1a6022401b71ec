"""Where modules stood before 0.2: each old place still imports, for one release, and names its new one.

The finder is asked last, so imports of today's modules cost nothing; what is imported by an old name is the very module
of the new place.
"""

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["find_moved_modules", "new_place"]

_PACKAGES = {
    "data.rooms": "rooms",
    "data.rooms.furniture": "rooms.furniture",
    "data.scannet": "data.readers.scannet",
    "train": "pretraining",
    "train.teachers": "teachers.training",
    "running": "engine",
    "view": "visualization",
}

# (old package, new package) → modules, "old:new" where the name changed too.
_MODULES = {
    ("", "cli"): (
        "cli_common:options cli_streams:streams cli_convert:weights cli_data:data cli_detect:predict "
        "cli_downstream:train cli_grid:train cli_pretrain:train cli_publish:weights cli_segment:predict "
        "cli_stock:weights cli_teacher:train"
    ),
    ("", "cli.run"): (
        "source_points:source encode_file:encode similar_file:similar segment_file:segment detect_file:detect "
        "inspect_frames:frames convert_file:convert publish_weight:publish demo user_modules"
    ),
    ("view", "cli.run"): (
        "grid_report:grid tables dry_run_table:run_tables segmentation_table:run_tables detection_table:run_tables "
        "steps feature_basis:encode"
    ),
    ("", "engine"): "thread_policy collectives:distributed",
    ("train", "pretraining"): (
        "recipe recipe_sections sources data:sources batches:dataset model setup pretrain:trainer export dry_run cost "
        "step_timing timed_source:step_timing failure:setup"
    ),
    ("", "pretraining"): "watch:probe",
    ("train", "engine"): "average:ema processes",
    ("train", "teachers"): "teacher_cache:cache teacher_state:cache_state",
    (
        "train.teachers",
        "teachers.training",
    ): "recipe batches:dataset crops:dataset held_out images moco supervised encoder fit:trainer",
    ("transfer", "teachers"): (
        "teacher_spec:spec teachers:teacher teacher_networks:torchvision deeplab:torchvision timm_teacher:timm "
        "timm_network:timm traced_windows:receptive_field tf_padding:receptive_field alignment:receptive_field "
        "teacher_files:checkpoints checkpoint_layouts:checkpoints teacher_import:tflite tflite"
    ),
    ("sparse", "sparse"): "grid:tensor keys:kernel_map",
    ("transfer", "transfer"): (
        "retrieval:losses distillation:losses model:objective batch:objective crd:baselines regression:baselines "
        "metrics:losses"
    ),
    ("downstream", "evaluation"): "metrics intervals:statistics probes clusters similarity teacher_classes",
    ("downstream", "downstream"): "scene_draw:sampler start:trainer fitting:trainer report:model_folder",
    ("downstream.segmentation", "downstream.segmentation"): "batches:dataset start:trainer fit:trainer head:folder",
    ("downstream.detection", "downstream.detection"): (
        "batches:dataset start:trainer fit:trainer coding:targets losses:loss inference:predict votenet:model "
        "decode:predict head:folder augment:recipe"
    ),
    ("backbones", "backbones"): (
        "modes:norm sync_norm:norm voxel:base point_kernels:point_layers uncompiled:shortcuts twins:norm"
    ),
    ("zoo", "files"): "validation",
    ("zoo", "zoo"): "stock:local_cache beside:placing outline:network entry_points:registry",
    ("view", "visualization"): (
        "picture camera cutaway:camera splat shading:splat density:point_spacing pca classes boxes likeness:similarity "
        "camera_map frame_sheet plotting:plots curves:plots tsne:plots thinning:point_spacing"
    ),
    ("data.rooms", "rooms"): (
        "room shapes materials camera walk cloud:scenes scenes source bench:scenes classes:room version:room "
        "files:source solids:room"
    ),
    ("data.rooms", "rooms.layout"): (
        "make:plans plans planner groups singles:groups walls:planner bathroom:plans layout:planner"
    ),
    ("data.rooms", "rooms.rendering"): (
        "render:frame raycast light textures noise:textures edges:frame sensor:frame vectors threads:raycast"
    ),
    ("data.rooms.furniture", "rooms.furniture"): "bath openings seating small storage tables",
    ("data", "data.readers"): (
        "boxes:box_files open_frames:open open_scene:open seven_scenes plain open3d_folder "
        "open3d_files:open3d_folder tum nyuv2 sun_rgbd sun_boxes sun_scenes:sun_rgbd arkit_scenes s3dis images "
        "image_file cameras camera_forms number_text trajectory timed:timestamps registration labelled_folder "
        "class_names label_fields box_files depth_units:images"
    ),
    ("data.scannet", "data.readers.scannet"): (
        "annotation cameras:scan classes:annotation exported:frames frames names:scan scan scenes sens "
        "sens_header:sens_format sens_index:sens_format"
    ),
    ("data", "data.shards"): (
        "shard_index:index shard_samples:samples shard_writer:writer shard_stream:stream shard_fetch:index "
        "shard_journal:journal"
    ),
    ("data", "data.augment"): "elastic:cloud augment_image:image",
    ("data", "data"): (
        "frame_scenes:scenes checks:frames left_out:statistics listing:subset joined:subset "
        "alignment:gravity survey:statistics"
    ),
    ("data", "files"): "optional",
    ("points", "points.files"): (
        "io:cloud_files ply ply_header ply_rows:ply pcd pcd_header lzf:pcd numpy_files tables text_layout number_rows "
        "las las_header:las laz laz_child color_names colors fields picked_fields:colors"
    ),
    ("points", "points"): "thin:voxelize scale:arrays neighbours:sampling",
    ("running", "engine"): (
        "checkpoint checkpoint_claims data_record:checkpoint data_workers interrupt loop machine metrics_log optim "
        "progress recipe_files:recipes run_folder"
    ),
    ("running", "files"): "sections:validation tensor_files:safetensors torch_files:torch cache:reading",
    ("sparse", "engine"): "denormals",
}


def new_place(name: str) -> str | None:
    """The new full name of a module or package by its old one; None where nothing moved.

    Args:
        name: such as ``ppkt_zoo.points.io``.
    """
    root, _, rest = name.partition(".")
    if rest in _PACKAGES:
        return f"{root}.{_PACKAGES[rest]}"
    package, _, module = rest.rpartition(".")
    for (old, new), modules in _MODULES.items():
        if old == package:
            for entry in modules.split():
                before, _, after = entry.partition(":")
                if before == module:
                    return ".".join(filter(None, (root, new, after or before)))
    return None


def find_moved_modules() -> None:
    """Let old places be imported; does nothing where it was called before."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(_MovedModules())


class _MovedModules(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("ppkt_zoo.") or new_place(fullname) is None:
            return None
        return ModuleSpec(fullname, self, is_package=fullname.removeprefix("ppkt_zoo.") in _PACKAGES)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        new = new_place(old)
        assert new is not None
        moved = importlib.import_module(new)
        warnings.warn(f"{old} is now {new}; the old place goes with 0.3", DeprecationWarning, stacklevel=2)
        if old.removeprefix("ppkt_zoo.") in _PACKAGES:
            # A package of its own, so that its modules are looked for here and never loaded a second time.
            module.__getattr__ = lambda name: getattr(moved, name)  # type: ignore[method-assign]
        else:
            sys.modules[old] = moved
