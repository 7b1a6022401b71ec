"""The demo: a room made on the spot, encoded by a pretrained weight, and a picture of its features."""

from pathlib import Path

from rich.console import Console

from ppkt_zoo.cli.answers.predict import Demo
from ppkt_zoo.cli.run.page import check_html, told_of, write_page
from ppkt_zoo.cli.run.source import Points
from ppkt_zoo.cli.run.steps import Steps, thousands
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.targets import check_folder_target
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.points.voxelize import voxelize
from ppkt_zoo.rooms import make_room, room_cloud
from ppkt_zoo.rooms.room import CLASSES
from ppkt_zoo.visualization.page import ClassSet
from ppkt_zoo.visualization.pca import pca_colors
from ppkt_zoo.visualization.picture import feature_picture, feature_title, save_picture
from ppkt_zoo.zoo.default import default_weight
from ppkt_zoo.zoo.load import load_backbone

#: A room with much in it.
SEED = 7
# From fewer cameras, what stands behind the furniture stays unseen.
_CAMERAS = 24


def run_demo(
    out: Path,
    seed: int = SEED,
    weight: str | None = None,
    console: Console | None = None,
    spacing: float = 0.02,
    cameras: int = _CAMERAS,
    html: Path | None = None,
) -> Demo:
    """Generate a room, encode it, write ``room.png``, ``room.ply`` and ``features.npz``, and say so.

    Args:
        out: folder for the files; made where it is missing.
        seed: of the room.
        weight: a weight's name; :func:`ppkt_zoo.default_weight` where not given.
        console: where progress is told; standard error by default.
        spacing: metres between the room's points.
        cameras: viewpoints that the room is seen from; what none of them sees is not in the cloud.
        html: a page of the room, its features and its classes; none where not given.

    Raises:
        WeightError: no such weight, or it is damaged. There is no way to a demo with random features.
    """
    check_folder_target(out, InputError, "--out")
    check_html(html)
    steps = Steps(console)
    with steps.step("weight", "loading the weight") as step:
        name = default_weight() if weight is None else weight
        backbone = load_backbone(name)
        parameters = sum(parameter.numel() for parameter in backbone.parameters())
        spec = backbone.input_spec
        step.text = f"{name}: {parameters / 1e6:.2f} M parameters, pretrained, voxels of {spec.voxel_size * 100:g} cm"
    with steps.step("room", "generating a room") as step:
        room = make_room(seed)
        xyz, rgb, label, instance = room_cloud(room, spacing=spacing, seed=seed, views=cameras)
        width, depth, height = room.extent
        step.text = (
            f"{room.kind} of {width:.1f} × {depth:.1f} × {height:.1f} m, generated from seed {seed} and fused from "
            f"{cameras} views: {thousands(len(xyz))} points with colour"
        )
    with steps.step("features", "encoding every point") as step:
        features = backbone.encode(xyz, rgb)
        voxels = voxelize(CloudBatch.collate([PointCloud.from_arrays(xyz, rgb)]), spec).coords.shape[0]
        step.text = f"{features.dtype} {features.shape}: one per point, from {thousands(voxels)} voxels"
    out.mkdir(parents=True, exist_ok=True)
    with steps.step("picture", "drawing") as step:
        title = feature_title(name, features.shape[1])
        picture = save_picture(feature_picture(xyz, rgb, features, title), out / "room.png")
        step.text = "two corners and the view from above, without the walls nearest to the viewer"
    with steps.step("files", "writing") as step:
        cloud, arrays = out / "room.ply", out / "features.npz"
        write_cloud(cloud, xyz, pca_colors(features))
        write_cloud(arrays, xyz, rgb, features=features, label=label, instance=instance)
        step.text = f"into {out}"
    pages = []
    if html is not None:
        with steps.step("page", "making the page") as step:
            points = Points(xyz, rgb, f"{room.kind}, generated from seed {seed}")
            shown = {"features": features, "classes": ClassSet(label, CLASSES), "weight": name}
            step.text = f"{html}: {told_of(write_page(html, points.told, points, shown))}"
        pages = [(str(html), "the room to turn and click, in any browser")]
    steps.listing(
        "written",
        [
            *pages,
            (str(picture), "the room, and below it its features: similar features have similar colours"),
            (str(cloud), "the points, coloured by their features, for any viewer"),
            (str(arrays), "xyz, rgb, features, label, instance"),
        ],
    )
    chosen = "" if weight is None else f" --weight {weight}"
    steps.listing(
        "next",
        [
            (
                f"ppkt-zoo encode my_cloud.ply{chosen} --picture my_cloud.png",
                "your own cloud, or a folder of RGB-D frames",
            ),
            ("ppkt-zoo list weights", "the available weights"),
            (f"ppkt-zoo show {name}", "its results, training and licence"),
            ("ppkt-zoo pretrain --help", "pretrain on your own frames"),
        ],
    )
    return Demo(
        weight=name,
        parameters=parameters,
        seed=seed,
        points=len(xyz),
        channels=features.shape[1],
        voxels=voxels,
        seconds=steps.seconds,
        files=(picture, cloud, arrays, *([] if html is None else [html])),
    )
