"""Chunk plans: the order in which the torch engine visits rows, so that each GEMM is dense.

Rows that have neighbours at the same offsets stand together; a chunk then gathers only the offsets
that any of its rows uses, and one GEMM does the work (a masked implicit GEMM, no scatter).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

#: Rows of a chunk. On the CPU the gathered rows should stay in the cache; a GPU wants long kernels.
CPU_ROWS = 1024
CUDA_ROWS = 32768
# The sort key is one int64; 62 offsets tell rows apart far beyond the size of a chunk.
_MASK_BITS = 62


@dataclass(frozen=True)
class Chunk:
    """Some rows of the output, their gather indices and the offsets they use.

    Attributes:
        rows: int64 (R,), rows of the output.
        index: int32 (R * U,), row-major: the input row of each (row, used offset); the number of inputs
            stands for "none" and addresses the zero row.
        used: int64 (U,), offsets in rising order, or None where all K are used.
        count: U.
    """

    rows: Tensor
    index: Tensor
    used: Tensor | None
    count: int


@dataclass(frozen=True)
class Plan:
    """All chunks of a table; together they visit every output row that has any neighbour.

    Attributes:
        chunks: the chunks.
        inputs, outputs, offsets: rows gathered from, rows written, K.
        complete: whether every output row is visited (else the result starts from zeros).
    """

    chunks: tuple[Chunk, ...]
    inputs: int
    outputs: int
    offsets: int
    complete: bool


def build_plan(table: Tensor, inputs: int, rows: int | None = None) -> Plan:
    """Sort the rows of a table by their neighbour mask and cut them into chunks.

    Args:
        table: int32 (K, M), input row or -1.
        inputs: number of input rows.
        rows: rows of a chunk; chosen by device where None.
    """
    offsets, outputs = table.shape
    rows = rows or (CUDA_ROWS if table.is_cuda else CPU_ROWS)
    present = table >= 0
    order = torch.argsort(_mask(present), stable=True)
    # (M, K) with the missing ones pointing at the zero row that the engine appends.
    gathered = torch.where(present, table, inputs)[:, order].t().contiguous()
    present = present[:, order]
    padded = torch.nn.functional.pad(present, (0, -outputs % rows))
    used_by_chunk = padded.view(offsets, -1, rows).any(dim=2).t().cpu()
    chunks = []
    complete = True
    for number, used in enumerate(used_by_chunk):
        start, end = number * rows, min((number + 1) * rows, outputs)
        columns = used.nonzero()[:, 0].to(table.device)
        count = columns.shape[0]
        if count == 0:
            complete = False
            continue
        index = gathered[start:end]
        if count < offsets:
            index = index.index_select(1, columns)
        chunks.append(Chunk(order[start:end], index.reshape(-1), columns if count < offsets else None, count))
    return Plan(tuple(chunks), inputs, outputs, offsets, complete)


def _mask(present: Tensor) -> Tensor:
    """One int64 for each row that tells which offsets it has; the most telling offsets weigh most."""
    offsets, rows = present.shape
    share = present.float().mean(dim=1)
    telling = torch.argsort((share - 0.5).abs(), stable=True)[:_MASK_BITS].tolist()
    mask = torch.zeros(rows, dtype=torch.int64, device=present.device)
    for line in telling:
        mask.mul_(2).add_(present[line])
    return mask
