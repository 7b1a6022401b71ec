"""How a weight folder gets read-outs: statistics of its features, which read-out serves what, and reference output."""

from collections.abc import Iterable, Mapping

from ppkt_zoo.backbones.readout import Readout
from ppkt_zoo.errors import WeightError
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.readout_spec import Purpose, ReadOut, ReadoutSpec
from ppkt_zoo.zoo.config import GOLDEN, READOUT
from ppkt_zoo.zoo.folder import WeightFolder, open_weight_folder, rewrite
from ppkt_zoo.zoo.golden import with_readouts
from ppkt_zoo.zoo.names import StrPath
from ppkt_zoo.zoo.readout import encode_readout
from ppkt_zoo.zoo.tensors import decode_tensors, encode_tensors


def add_readout(
    folder: StrPath, clouds: Iterable[PointCloud], computed_on: str, recommended: Mapping[Purpose, ReadOut]
) -> WeightFolder:
    """Put read-outs into a weight folder; all else in it stays, the reference output of its levels too.

    Args:
        folder: a weight folder.
        clouds: of the kind that the weight is for; see :meth:`~ppkt_zoo.backbones.readout.Readout.of`.
        computed_on: these clouds in words, one line.
        recommended: the read-out for each purpose.

    Raises:
        WeightError: the folder does not open, or a file in it is damaged.
        InputError: no clouds, or the network knows no such read-out.
    """
    opened = open_weight_folder(folder)
    return _put(opened, Readout.of(opened.backbone(), clouds, computed_on, recommended))


def change_recommended(folder: StrPath, recommended: Mapping[Purpose, ReadOut]) -> WeightFolder:
    """Recommend other read-outs for a weight that has statistics already.

    Raises:
        WeightError: the folder does not open, a file in it is damaged, or it has no statistics.
        InputError: the network knows no such read-out.
    """
    opened = open_weight_folder(folder)
    readout = opened.readout()
    if readout is None:
        raise WeightError(f"{opened.config.name} has no statistics for read-outs: add_readout computes them")
    spec = ReadoutSpec(recommended=dict(recommended), computed_on=readout.spec.computed_on)
    return _put(opened, Readout(readout.statistics, spec))


def _put(opened: WeightFolder, readout: Readout) -> WeightFolder:
    network = opened.backbone()
    network.readout = readout
    _, header = decode_tensors(opened.read(GOLDEN), str(opened.path / GOLDEN))
    golden = with_readouts(opened.golden(), network)
    files = {GOLDEN: encode_tensors(golden.to_tensors(), header), READOUT: encode_readout(readout)}
    return rewrite(opened, opened.record(), files, readout.spec)
