"""Three-vectors stored as three rows: torch runs several times faster over (3, P) than over (P, 3)."""

import torch
from torch import Tensor


def pick(table: Tensor, index: Tensor) -> Tensor:
    """Columns of a table: (..., N) and int64 (P,) → (..., P). Several times faster than ``table[..., index]``."""
    if table.ndim == 1:
        return table.index_select(0, index)
    rows = table.reshape(-1, table.shape[-1]).contiguous()
    return rows.index_select(1, index).reshape(*table.shape[:-1], index.shape[0])


def dot(first: Tensor, second: Tensor) -> Tensor:
    """Inner product of columns: (3, P) and (3, P) or (3, 1) → (P,)."""
    return torch.addcmul(torch.addcmul(first[0] * second[0], first[1], second[1]), first[2], second[2])


def length(vector: Tensor) -> Tensor:
    """Norm of columns: (3, P) → (P,)."""
    return dot(vector, vector).sqrt_()


def unit(vector: Tensor) -> Tensor:
    """Columns scaled to length 1."""
    return vector * dot(vector, vector).clamp_(min=1e-20).rsqrt_()


def largest(vector: Tensor) -> Tensor:
    """Largest entry of each column: (3, P) → (P,)."""
    return torch.maximum(torch.maximum(vector[0], vector[1]), vector[2])


def smallest(vector: Tensor) -> Tensor:
    """Smallest entry of each column: (3, P) → (P,)."""
    return torch.minimum(torch.minimum(vector[0], vector[1]), vector[2])


def turn(matrix: Tensor, vector: Tensor) -> Tensor:
    """Each column times its own matrix: (3, 3, P) and (3, P) → (3, P)."""
    return torch.addcmul(torch.addcmul(matrix[:, 0] * vector[0], matrix[:, 1], vector[1]), matrix[:, 2], vector[2])


def turn_back(matrix: Tensor, vector: Tensor) -> Tensor:
    """Each column times its own matrix transposed: (3, 3, P) and (3, P) → (3, P)."""
    return torch.addcmul(torch.addcmul(matrix[0] * vector[0], matrix[1], vector[1]), matrix[2], vector[2])
