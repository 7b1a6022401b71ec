"""Engines: who does the sparse convolutions. Chosen by name, held by the tensor."""

# No `import torch` here: the engine of that name is a submodule and would shadow it.
from ppkt_zoo.sparse.engines.select import ENGINES, Engine, get_engine

__all__ = ["ENGINES", "Engine", "get_engine"]
