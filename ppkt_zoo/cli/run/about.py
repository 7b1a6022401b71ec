"""The versions of what runs here."""

import platform

import ppkt_zoo
from ppkt_zoo.cli.answers.about import Versions
from ppkt_zoo.engine.machine import versions
from ppkt_zoo.native.library import describe

_LIBRARIES = ("torch", "torchvision", "spconv-cu120", "spconv-cu126", "spconv-triton")


def tell_versions() -> Versions:
    """Of ppkt-zoo, Python and the libraries that compute; and the engine of this installation on the CPU."""
    found = versions(_LIBRARIES)
    return Versions(ppkt_zoo=ppkt_zoo.__version__, python=platform.python_version(), packages=found, engine=describe())
