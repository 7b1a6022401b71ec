"""Maps and levels against PyTorch's tables, the wide registers, and input that must be refused before it reaches C."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from ppkt_zoo.errors import EngineError
from ppkt_zoo.native import Library, open_library
from ppkt_zoo.native.build import LIBRARY
from ppkt_zoo.native.convolution import convolve, pack_weight, weight_gradient
from ppkt_zoo.native.maps import Pairs, child_pairs, coarsen, search_pairs, table_pairs
from ppkt_zoo.sparse import Grid
from ppkt_zoo.sparse.engines.native import NativeEngine
from ppkt_zoo.sparse.kernel_map import Children, Search, invert
from tests.sparse.test_native import KINDS, check


@pytest.fixture(scope="module")
def native(built: object) -> Library:
    return open_library(LIBRARY)


def rows_of(clouds: int, voxels: int, reach: tuple[int, int, int], seed: int = 0) -> Tensor:
    """Random voxels, sorted, each once."""
    draw = torch.Generator().manual_seed(seed)
    columns = [torch.randint(-one, one + 1, (voxels,), generator=draw) for one in reach]
    return torch.unique(torch.stack([torch.randint(0, clouds, (voxels,), generator=draw), *columns], 1), dim=0).int()


def block(*edges: int) -> Tensor:
    axes = [torch.zeros(1, dtype=torch.int64), *(torch.arange(edge) - edge // 2 for edge in edges)]
    return torch.cartesian_prod(*axes).int()


GRIDS = {
    "one": rows_of(1, 1, (0, 0, 0)),
    "a full tile": block(4, 8, 8),
    "one more than a tile": torch.cat([block(4, 8, 8), torch.tensor([[1, 0, 0, 0]], dtype=torch.int32)]),
    "a full block": block(12, 13, 17),
    "a line along x": block(700, 1, 1),
    "a line along z": block(1, 1, 700),
    "scattered": rows_of(3, 3000, (400, 400, 400)),
    "dense clouds": rows_of(3, 5000, (9, 9, 9)),
    "far from the origin": rows_of(1, 900, (6, 6, 6)) + torch.tensor([0, 900_000, -900_000, 31], dtype=torch.int32),
}


def table_of(pairs: Pairs) -> Tensor:
    """Pairs as a table, int32 (K, M_out); fails where a row meets two at one offset."""
    table = torch.full((pairs.offsets, pairs.rows), -1, dtype=torch.int32)
    start = pairs.start.tolist()
    for part, (begin, end) in enumerate(pairwise(start)):
        tile, offset = divmod(part, pairs.offsets)
        local = pairs.local[begin:end].long()
        assert bool((local[1:] > local[:-1]).all())
        table[offset, tile * 256 + local] = pairs.partner[begin:end]
    assert start[-1] == pairs.partner.numel() == pairs.local.numel()
    return table


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_searched_pairs_are_those_of_the_table(native: Library, name: str, kernel: int) -> None:
    kernel_map = Grid(GRIDS[name]).submanifold(1, kernel)
    source = kernel_map.source
    assert isinstance(source, Search)
    pairs = search_pairs(native, source.keys, source.origin, source.steps, source.lines)
    assert torch.equal(table_of(pairs), kernel_map.table)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize(("kernel", "factor"), [(2, 2), (3, 2), (3, 3), (2, 4)])
def test_strided_pairs_are_those_of_the_tables_both_ways(native: Library, name: str, kernel: int, factor: int) -> None:
    kernel_map = Grid(GRIDS[name]).strided(1, kernel, factor)
    source = kernel_map.source
    if isinstance(source, Children):
        arguments = (source.parent, source.place, source.offsets, source.coarse)
        forth, back = child_pairs(native, *arguments, False), child_pairs(native, *arguments, True)
    else:
        forth = search_pairs(native, source.keys, source.origin, source.steps, source.lines)
        back = table_pairs(native, invert(kernel_map.table, kernel_map.inputs), kernel_map.outputs)
    assert torch.equal(table_of(forth), kernel_map.table)
    assert torch.equal(table_of(back), kernel_map.back_table())


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("factor", [1, 2, 3, 6])
def test_coarser_levels_are_those_of_unique(native: Library, name: str, factor: int) -> None:
    coords = GRIDS[name]
    cells = coords.clone()
    cells[:, 1:] = coords[:, 1:].div(factor, rounding_mode="floor")
    expected, rows = torch.unique(cells, dim=0, return_inverse=True)
    coarse, parent, place = coarsen(native, coords, factor)
    assert torch.equal(coarse, expected)
    assert torch.equal(parent, rows)
    inside = (coords - cells * factor)[:, 1:].long()
    assert torch.equal(place.long(), (inside[:, 0] * factor + inside[:, 1]) * factor + inside[:, 2])


def test_no_rows_at_all(native: Library) -> None:
    none = torch.empty(0, dtype=torch.int64)
    assert search_pairs(native, none, none, (0,), 3).partner.numel() == 0
    assert table_of(search_pairs(native, none, torch.zeros(2, dtype=torch.int64), (0,), 3)).tolist() == [[-1, -1]] * 3
    assert [one.shape[0] for one in coarsen(native, torch.empty((0, 4), dtype=torch.int32), 2)] == [0, 0, 0]
    pairs = table_pairs(native, torch.empty((27, 0), dtype=torch.int32), 5)
    packed = pack_weight(native, torch.ones((4, 27, 3)), torch.float32)
    assert convolve(native, torch.ones((5, 3)), packed, 4, pairs).shape == (0, 4)
    assert weight_gradient(native, torch.ones((5, 3)), torch.ones((0, 4)), pairs).abs().sum() == 0


@pytest.mark.parametrize(("outputs", "inputs"), [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("rows", [3, 600])
def test_no_channels_at_all(native: Library, outputs: int, inputs: int, rows: int) -> None:
    pairs = table_pairs(native, torch.arange(rows, dtype=torch.int32).view(1, -1), rows)
    packed = pack_weight(native, torch.ones((outputs, 1, inputs)), torch.float32)
    out = convolve(native, torch.ones((rows, inputs)), packed, outputs, pairs)
    assert torch.equal(out, torch.zeros((rows, outputs)))
    gradient = weight_gradient(native, torch.ones((rows, inputs)), torch.ones((rows, outputs)), pairs)
    assert gradient.shape == (outputs, 1, inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_registers_of_512_bits(wide: Library, kind: str) -> None:
    for channels in ((3, 33), (20, 112)):
        for dtype in (torch.float32, torch.bfloat16):
            check(NativeEngine(wide), Grid(block(5, 8, 7)), kind, channels, dtype)


def long(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


FLOATS, PLACES = torch.zeros(3), torch.tensor([0, 1, 2], dtype=torch.uint8)
BAD: dict[str, tuple[str, Callable[[Library], object]]] = {
    "a table with too large a row": ("names a row", lambda n: table_pairs(n, torch.tensor([[0, 5]]).int(), 5)),
    "a table with a negative row": ("names a row", lambda n: table_pairs(n, torch.tensor([[0, -2]]).int(), 5)),
    "a table of int64": ("table must be torch.int32", lambda n: table_pairs(n, torch.tensor([[0, 1]]), 5)),
    "a table that is a list": ("table must be", lambda n: table_pairs(n, torch.tensor([0, 1]).int(), 5)),
    "a table on no device": ("on meta", lambda n: table_pairs(n, torch.empty((1, 2), device="meta").int(), 5)),
    "falling keys": ("not sorted", lambda n: search_pairs(n, long(2, 1), long(1, 2), (0,), 1)),
    "a key twice": ("not sorted", lambda n: search_pairs(n, long(1, 1), long(1, 2), (0,), 1)),
    "falling origins": ("not sorted", lambda n: search_pairs(n, long(1, 2), long(2, 1), (0,), 1)),
    "keys of int32": ("keys must be torch.int64", lambda n: search_pairs(n, long(1).int(), long(1), (0,), 1)),
    "origins of floats": ("origin must be", lambda n: search_pairs(n, long(1), FLOATS, (0,), 1)),
    "a parent that is not there": ("names a row", lambda n: child_pairs(n, long(0, 1, 2), PLACES, 8, 2, False)),
    "a parent that is not there, back": ("names a row", lambda n: child_pairs(n, long(0, 1, 2), PLACES, 8, 2, True)),
    "a negative parent": ("names a row", lambda n: child_pairs(n, long(0, -1, 1), PLACES, 8, 2, False)),
    "a place that is not there": ("names a row", lambda n: child_pairs(n, long(0, 1, 1), PLACES, 2, 2, False)),
    "fewer places than parents": ("4 parents and 3", lambda n: child_pairs(n, long(0, 1, 1, 1), PLACES, 8, 2, False)),
    "places of int64": ("place must be torch.uint8", lambda n: child_pairs(n, long(0), long(0), 8, 2, False)),
    "a factor of 0": ("1 to 6 times", lambda n: coarsen(n, block(2, 2, 2), 0)),
    "a factor of 7": ("1 to 6 times", lambda n: coarsen(n, block(2, 2, 2), 7)),
    "coords of int64": ("coords must be torch.int32", lambda n: coarsen(n, block(2, 2, 2).long(), 2)),
    "coords without clouds": (r"coords must be \(M, 4\)", lambda n: coarsen(n, block(2, 2, 2)[:, 1:], 2)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_maps_are_refused(native: Library, name: str) -> None:
    message, call = BAD[name]
    with pytest.raises(EngineError, match=message):
        call(native)


def test_a_bad_row_is_found_in_every_tile(native: Library) -> None:
    table = torch.full((3, 5000), -1, dtype=torch.int32)
    for row in (0, 255, 256, 2047, 2048, 4999):
        spoilt = table.clone()
        spoilt[2, row] = 7
        with pytest.raises(EngineError, match="names a row"):
            table_pairs(native, spoilt, 7)
        assert table_pairs(native, spoilt, 8).partner.tolist() == [7]


def test_bad_tensors_are_refused(native: Library) -> None:
    pairs = table_pairs(native, torch.zeros((1, 4), dtype=torch.int32), 4)
    weight, feats = torch.ones((3, 1, 2)), torch.ones((4, 2))
    packed = pack_weight(native, weight, torch.float32)
    for arguments, more in (
        ((feats.double(), packed, 3), {}),
        ((feats.bfloat16(), packed, 3), {}),
        ((feats[:3], packed, 3), {}),
        ((torch.ones((4, 9)), packed, 3), {}),
        ((feats, packed[1:], 3), {}),
        ((feats, packed, 40), {}),
        ((feats[0], packed, 3), {}),
        ((feats.to("meta"), packed, 3), {}),
        ((feats, packed.to("meta"), 3), {}),
        ((feats, packed, 3), {"bias": torch.ones(4)}),
        ((feats, packed, 3), {"bias": torch.ones(3, device="meta")}),
        ((feats, packed, 3), {"into": torch.ones((4, 4))}),
        ((feats, packed, 3), {"into": torch.ones((4, 3)).double()}),
        ((feats, packed, 3), {"into": torch.ones((3, 4)).t()}),
        ((feats, packed, 3), {"into": torch.ones((4, 3), device="meta")}),
    ):
        with pytest.raises(EngineError):
            convolve(native, *arguments, pairs, **more)  # type: ignore[arg-type]
    for arguments in (
        (weight, torch.float64),
        (weight.to("meta"), torch.float32),
        (weight[0], torch.float32),
        (weight, torch.float32, torch.ones(2)),
    ):
        with pytest.raises(EngineError):
            pack_weight(native, *arguments)  # type: ignore[arg-type]
    for inputs, grad in (
        (feats, torch.ones((3, 3))),
        (feats[:2], torch.ones((4, 3))),
        (feats, torch.ones((4, 3)).bfloat16()),
        (feats, torch.ones(4)),
        (feats.to("meta"), torch.ones((4, 3))),
    ):
        with pytest.raises(EngineError):
            weight_gradient(native, inputs, grad, pairs)
