"""Features of a weight by its read-outs, for the probes; and which read-out a measurement takes."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.evaluation.material import Material
from benchmarks.evaluation.probing import LAST, Featurise
from benchmarks.evaluation.students import Pretrained
from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.backbones.readout import Readout
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.readout_spec import EXTRA_CHANNELS, EXTRAS, SAMPLINGS, Purpose, ReadOut

TODAY = ReadOut()
"""The last level, a point's own voxel: the default of ``encode``."""


def without(read_out: ReadOut, extra: str) -> ReadOut:
    """The same read-out without one of its extras."""
    return read_out.model_copy(update={"extras": tuple(one for one in read_out.extras if one != extra)})


def short(read_out: ReadOut) -> str:
    """A read-out's name in files and journals."""
    return "-".join([read_out.levels, read_out.sampling, *read_out.extras, str(read_out.views)])


def facts(read_out: ReadOut) -> dict[str, Any]:
    """A read-out in JSON, with the name that tables give it."""
    return {**read_out.model_dump(mode="json"), "name": str(read_out)}


def of_facts(found: Mapping[str, Any]) -> ReadOut:
    """The read-out of which :func:`facts` tells."""
    return ReadOut.model_validate({name: value for name, value in found.items() if name != "name"})


def of_read_out(backbone: Backbone, read_out: ReadOut) -> Featurise:
    """Features of a cloud's rows by one read-out, under the name of the probes' first line."""
    several = of_read_outs(backbone, [read_out])

    def featurise(cloud: PointCloud, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {LAST: several(cloud, rows)[str(read_out)]}

    return featurise


def of_read_outs(backbone: Backbone, read_outs: Sequence[ReadOut]) -> Featurise:
    """Features of a cloud's rows by several read-outs, by their names.

    Extras are appended to the network's features, so a read-out without them is cut off one with them.
    """

    def featurise(cloud: PointCloud, rows: np.ndarray) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        with_extras: dict[ReadOut, ReadOut] = {}
        # Those with extras first: they hold the others.
        for one in sorted(read_outs, key=lambda one: -len(one.extras)):
            bare = one.model_copy(update={"extras": ()})
            whole = with_extras.get(bare)
            if whole is not None and not one.extras:
                appended = sum(EXTRA_CHANNELS[extra] for extra in whole.extras)
                found[str(one)] = found[str(whole)][:, :-appended]
                continue
            found[str(one)] = backbone.encode(cloud.xyz, cloud.rgb, **one.arguments()).numpy()[rows]
            if one.extras:
                with_extras[bare] = one
        return {str(one): found[str(one)] for one in read_outs}

    return featurise


def with_statistics(backbone: Backbone, clouds: Sequence[PointCloud]) -> Backbone:
    """The network, able to put all levels on one scale by statistics of these clouds if it has none of its own."""
    if backbone.readout is None:
        backbone.readout = Readout.of(backbone, clouds, "clouds that its probe is fitted on")
    return backbone


def ready(weight: Pretrained, material: Material) -> Backbone:
    """A weight's network; the folder of an old one has no statistics, then they are those of two labelled rooms."""
    if weight.backbone.readout is None:
        rooms = material.tasks()["rooms"]
        with_statistics(weight.backbone, [rooms.fit(index)[0] for index in range(min(2, rooms.fit_size))])
    return weight.backbone


def add_read_out_options(parser: argparse.ArgumentParser) -> None:
    """Options by which a read-out is chosen; without them a weight's own recommendation holds."""
    group = parser.add_argument_group("read-out (default: what the weight's folder recommends)")
    group.add_argument("--levels", choices=["last", "concat"])
    group.add_argument("--sampling", choices=SAMPLINGS)
    group.add_argument("--extras", nargs="*", choices=EXTRAS)
    group.add_argument("--views", type=int)


def chosen(weight: Pretrained, asked: argparse.Namespace, purpose: Purpose) -> ReadOut:
    """The read-out that the options ask for; the folder's recommendation, or today's default, where they ask none."""
    given = {name: getattr(asked, name) for name in ("levels", "sampling", "extras", "views")}
    given = {name: value for name, value in given.items() if value is not None}
    return ReadOut.model_validate(given) if given else recommended(weight, purpose)


def recommended(weight: Pretrained, purpose: Purpose) -> ReadOut:
    """What a folder recommends for a purpose; today's default where it recommends nothing."""
    spec = weight.folder.config.readout
    return TODAY if spec is None else spec.recommended.get(purpose, TODAY)
