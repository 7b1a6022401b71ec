"""What is under the torch engine: dense products, and the order in which rows are visited so that each is dense.

PyTorch multiplies fp32 matrices on the CPU with MKL, which leaves half of an AMD processor's AVX-512 unused
(88 GFLOP/s a core on an EPYC of family 26, where oneDNN reaches 210). PyTorch carries oneDNN too and calls
it for half precision; for fp32 it is reached by the operator that ``torch.compile`` uses for linear layers.
That operator has no public name, so it is tried once on a small product, and MKL serves where it fails.

In a plan rows that have neighbours at the same offsets stand together; a chunk then gathers only the offsets
that any of its rows uses, and one GEMM does the work (a masked implicit GEMM, no scatter). A kernel may
be worked in slabs of offsets, each with an order of its own: fewer offsets have fewer patterns, so chunks
waste less (27 offsets at once gather 1.6 times what is there, slabs of 9 gather 1.15 times).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

# Rows of a chunk. On the CPU the gathered rows should stay in the cache; a GPU wants long kernels.
_CPU_ROWS = 1024
_CUDA_ROWS = 32768
# The sort key is one int64; 62 offsets tell rows apart far beyond the size of a chunk.
_MASK_BITS = 62


def working_dtype(feats: Tensor, weight: Tensor) -> torch.dtype:
    """The dtype in which a layer computes."""
    device = feats.device.type
    if torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return torch.promote_types(feats.dtype, weight.dtype)


def multiply(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """``a @ b + bias`` without gradients.

    Args:
        a: (R, X), rows or columns contiguous.
        b: (X, N), contiguous (oneDNN falls back to a very slow path for other strides).
        bias: (N,) or None.
    """
    if a.device.type == "cpu" and a.dtype == torch.float32:
        linear = _onednn_linear()
        if linear is not None:
            return linear(a, b.t(), bias)
    return torch.mm(a, b) if bias is None else torch.addmm(bias, a, b)


def pointwise(feats: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 1×1×1 convolution without gradients: (M, C_in), (C_out, C_in), (C_out,) → (M, C_out).

    It computes in the autocast dtype where autocast is on.
    """
    dtype = working_dtype(feats, weight)
    with torch.autocast(feats.device.type, enabled=False):
        return multiply(feats.to(dtype), weight.t().to(dtype).contiguous(), bias.to(dtype))


@cache
def _onednn_linear() -> Callable[[Tensor, Tensor, Tensor | None], Tensor] | None:
    """(a, weight (N, X), bias) → a · weightᵀ + bias by oneDNN, or None where it would not help or not work."""
    if not torch.backends.mkldnn.is_available() or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return None

    def linear(a: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        out: Tensor = torch.ops.mkldnn._linear_pointwise(a, weight, bias, "none", [], "")
        return out

    # The answer is kept, so it must depend neither on a default dtype or device nor on autocast.
    a, b, bias = (torch.arange(count, dtype=torch.float32, device="cpu") for count in (12, 6, 2))
    a, b = a.view(4, 3), b.view(3, 2)
    try:
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            right = torch.allclose(linear(a, b.t(), bias), a @ b + bias)
    except (AttributeError, RuntimeError):  # another version of PyTorch, or one built without it
        return None
    return linear if right else None


@dataclass(frozen=True)
class Chunk:
    """Some rows of the output, their gather indices and the offsets they use.

    Attributes:
        rows: int64 (R,), rows of the output.
        index: int32 (R * U,), row-major: the input row of each (row, used offset). Where there is none it
            addresses the zero row behind the inputs in a padded plan, else any row.
        missing: int64, where in ``index`` there is none; absent from a padded plan.
        used: the U offsets in rising order: a slice where they follow each other, else int64 (U,).
        first: whether no chunk before this one wrote its rows, so that they are set and not added to.
    """

    rows: Tensor
    index: Tensor
    missing: Tensor | None
    used: slice | Tensor
    first: bool


@dataclass(frozen=True)
class Plan:
    """All chunks of a table, in the order in which they must run.

    Attributes:
        chunks: the chunks.
        inputs, outputs, offsets: rows gathered from, rows written, K.
        complete: whether the chunks marked ``first`` write every output row (else it starts from zeros
            and no chunk is marked).
        padded: whether the engine puts a zero row behind the inputs. That copies all inputs once; where
            little is missing it is cheaper to blank the few gathered rows.
        largest: most gathered rows of any chunk.
    """

    chunks: tuple[Chunk, ...]
    inputs: int
    outputs: int
    offsets: int
    complete: bool
    padded: bool
    largest: int


def build_plan(table: Tensor, inputs: int, slabs: int = 1, rows: int | None = None) -> Plan:
    """Sort the rows of a table by their neighbour mask and cut them into chunks.

    Args:
        table: int32 (K, M), input row or -1.
        inputs: number of input rows.
        slabs: into how many runs of offsets the kernel is cut; divides K. 0 leaves the rows in their order
            and gathers all offsets: where channels are few, sorting costs more than it saves.
        rows: rows of a chunk; `chunk_rows` where None.
    """
    offsets, outputs = table.shape
    rows = rows or chunk_rows(table)
    if slabs == 0:
        return _plain_plan(table, inputs, rows)
    width = offsets // slabs
    # The middle slab holds the centre of a submanifold kernel: it reaches every row, so it comes first.
    order = sorted(range(slabs), key=lambda slab: abs(slab - slabs // 2))
    middle = table[order[0] * width : (order[0] + 1) * width]
    complete = bool((middle >= 0).any(dim=0).all())
    chunks = []
    for position, slab in enumerate(order):
        part = table[slab * width : (slab + 1) * width]
        chunks += _slab_chunks(part, inputs, slab * width, rows, complete and position == 0, slabs == 1)
    largest = max((chunk.index.shape[0] for chunk in chunks), default=0)
    return Plan(tuple(chunks), inputs, outputs, offsets, complete, slabs == 1, largest)


def _plain_plan(table: Tensor, inputs: int, rows: int) -> Plan:
    """All rows in their order, all offsets of each."""
    offsets, outputs = table.shape
    every = torch.arange(outputs, device=table.device)
    chunks = []
    for start in range(0, outputs, rows):
        index = table[:, start : start + rows].t()
        # Not in place: of one row this is the table itself.
        index = torch.where(index < 0, inputs, index).contiguous()
        chunks.append(Chunk(every[start : start + rows], index.view(-1), None, slice(0, offsets), True))
    return Plan(tuple(chunks), inputs, outputs, offsets, True, True, min(rows, outputs) * offsets)


def chunk_rows(table: Tensor, narrow: bool = False) -> int:
    """How many rows a chunk has; powers of two, since oneDNN compiles per shape.

    Args:
        table: few rows want short chunks, or there is nothing to sort.
        narrow: rows of few channels, of which the cache holds four times as many.
    """
    if table.is_cuda:
        return _CUDA_ROWS
    outputs = table.shape[1]
    rows = _CPU_ROWS // 4 if outputs < 8_000 else _CPU_ROWS // 2 if outputs < 32_000 else _CPU_ROWS
    return 4 * rows if narrow else rows


def _slab_chunks(table: Tensor, inputs: int, start: int, rows: int, first: bool, padded: bool) -> list[Chunk]:
    """Chunks of one slab, whose first offset is ``start``; rows without any neighbour in it are left out."""
    present = table >= 0
    mask = _mask(present)
    order = torch.argsort(mask, stable=True)
    # A mask of 0 sorts first.
    order = order[int((mask == 0).sum()) :]
    # (M, K), transposed before it is sorted: whole rows move faster than columns.
    gathered = table.t().contiguous().index_select(0, order)
    absent = gathered < 0
    # A missing partner is the row behind the inputs.
    gathered.masked_fill_(absent, inputs)
    padding = -order.shape[0] % rows
    used_rows = torch.nn.functional.pad(~absent, (0, 0, 0, padding))
    used_by_chunk = used_rows.view(-1, rows, table.shape[0]).any(dim=1).tolist()
    chunks = []
    for number, used in enumerate(used_by_chunk):
        span = slice(number * rows, min((number + 1) * rows, order.shape[0]))
        index = gathered[span]
        columns = [column for column, is_used in enumerate(used) if is_used]
        if columns[-1] - columns[0] + 1 == len(columns):
            which: slice | Tensor = slice(start + columns[0], start + columns[-1] + 1)
            index = index[:, columns[0] : columns[-1] + 1]
        else:
            picked = torch.tensor(columns, device=table.device)
            which = picked + start
            index = index.index_select(1, picked)
        index = index.reshape(-1)
        missing = None
        if not padded:
            missing = (index == inputs).nonzero()[:, 0]
            index = index.masked_fill(index == inputs, 0)
        chunks.append(Chunk(order[span], index, missing, which, first))
    return chunks


def _mask(present: Tensor) -> Tensor:
    """One int64 for each row that tells which offsets it has; rows with like masks sort together.

    Rare offsets weigh most, and the bits are read as a Gray code, so that from one value to the next few
    bits change: of the orders tried on rooms it wastes least. Only rows with no offset at all have 0.
    """
    offsets, rows = present.shape
    share = present.float().mean(dim=1)
    lines = torch.argsort(share, stable=True)
    if offsets > _MASK_BITS:
        telling = torch.argsort((share - 0.5).abs(), stable=True)[:_MASK_BITS]
        lines = telling[torch.argsort(share[telling], stable=True)]
    mask = torch.zeros(rows, dtype=torch.int64, device=present.device)
    for line in lines.tolist():
        mask.mul_(2).add_(present[line])
    for shift in (1, 2, 4, 8, 16, 32):
        mask ^= mask >> shift
    if offsets > _MASK_BITS:
        # Some row may have only offsets that the mask leaves out.
        mask = torch.where(present.any(dim=0), mask.clamp(min=1), 0)
    return mask
