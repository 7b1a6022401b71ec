"""The pyramid of levels: checks at the entrance, sharing of maps, ancestry, keys."""

from collections.abc import Callable

import pytest
import torch

from ppkt_zoo.errors import EngineError, InputError
from ppkt_zoo.sparse import Grid, SparseTensor, StridedConv3d, SubmanifoldConv3d, TransposedConv3d
from ppkt_zoo.sparse.engines.gemm import build_plan
from ppkt_zoo.sparse.kernel_map import KeySpace, invert

Maker = Callable[..., SparseTensor]


def test_keys_come_back_as_coordinates_and_sort_like_them(random_tensor: Maker) -> None:
    coords = random_tensor(reach=40).coords
    space = KeySpace.around(tuple(coords.min(dim=0).values.tolist()), tuple(coords.max(dim=0).values.tolist()))
    keys = space.pack(coords)
    assert bool((keys[1:] > keys[:-1]).all())
    assert torch.equal(space.unpack(keys), coords)


@pytest.mark.parametrize(
    ("coords", "message"),
    [
        (torch.zeros((0, 4), dtype=torch.int32), "empty"),
        (torch.zeros((3, 4), dtype=torch.int32), "duplicates"),
        (torch.tensor([[0, 1, 0, 0], [0, 0, 0, 0]], dtype=torch.int32), "sorted"),
        (torch.zeros((3, 3), dtype=torch.int32), r"\(M, 4\)"),
        (torch.zeros((3, 4)), "int32"),
        (torch.tensor([[0, -(2**30), -(2**30), 0], [0, 2**30, 2**30, 0]], dtype=torch.int32), "too many cells"),
    ],
)
def test_coordinates_that_do_not_fit_are_refused(coords: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Grid(coords)


def test_maps_and_plans_are_built_once_and_shared(random_tensor: Maker) -> None:
    x = random_tensor()
    assert x.grid.submanifold(1, 3) is x.grid.submanifold(1, 3)
    fine = TransposedConv3d(6, 4).double()(StridedConv3d(4, 6).double()(x))
    assert fine.grid is x.grid
    assert len(x.grid.strided(1, 2, 2).plans) == 2  # one for the way down, one for the way up
    first = SubmanifoldConv3d(4, 4).double()(fine)
    SubmanifoldConv3d(4, 4).double()(first).feats.sum().backward()
    assert len(x.grid.submanifold(1, 3).plans) == 1  # forward and backward share one


def test_back_tables_are_the_inverse(random_tensor: Maker) -> None:
    x = random_tensor()
    for kernel_map in (x.grid.submanifold(1, 3), x.grid.strided(1, 2, 2), x.grid.strided(1, 3, 2)):
        assert torch.equal(kernel_map.back_table(), invert(kernel_map.table, kernel_map.inputs))


def test_ancestors_are_the_cells_above(random_tensor: Maker) -> None:
    x = random_tensor(reach=20)
    for stride in (1, 2, 4):
        x.grid.coarsen(stride, 2)
    for stride in (1, 2, 4, 8):
        above = x.grid.level(stride).coords[x.grid.ancestor(stride)]
        assert torch.equal(above[:, 1:], x.coords[:, 1:].div(stride, rounding_mode="floor"))
        assert torch.equal(above[:, 0], x.coords[:, 0])


@pytest.mark.parametrize(("kernel", "slabs"), [(3, 0), (3, 1), (3, 3), (5, 0), (5, 1), (5, 5)])
def test_a_plan_holds_every_pair_of_the_table_once(random_tensor: Maker, kernel: int, slabs: int) -> None:
    x = random_tensor(voxels=2000, reach=9)
    table = x.grid.submanifold(1, kernel).table
    plan = build_plan(table, table.shape[1], slabs, rows=128)
    seen = torch.full_like(table, -1)
    for chunk in plan.chunks:
        index = torch.where(chunk.index == plan.inputs, -1, chunk.index)
        if chunk.missing is not None:
            index[chunk.missing] = -1
        used = torch.arange(kernel**3)[chunk.used]
        seen[used[:, None], chunk.rows[None, :]] = index.view(len(chunk.rows), -1).t()
    assert plan.complete
    assert torch.equal(seen, table)


def test_kernels_that_cannot_be_are_refused(random_tensor: Maker) -> None:
    x = random_tensor()
    with pytest.raises(EngineError, match="odd"):
        SubmanifoldConv3d(4, 4, 2)
    with pytest.raises(EngineError, match="from 1 to 9"):
        SubmanifoldConv3d(4, 4, 11).double()(x)
    with pytest.raises(EngineError, match="reaches further"):
        StridedConv3d(4, 4, 9, 2).double()(x)
    with pytest.raises(InputError, match="4 channels"):
        SubmanifoldConv3d(4, 4).double()(random_tensor(channels=3))
    with pytest.raises(InputError, match="no level"):
        TransposedConv3d(4, 4).double()(x)
