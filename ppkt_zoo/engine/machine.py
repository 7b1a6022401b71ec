"""What a run or a measurement was made on, in the few words that are kept with it."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def describe_machine(device: "torch.device", processes: int = 1) -> str:
    """What a run learned on: the GPU's name, or the processor's cores and kind; and how many processes shared it."""
    if device.type == "cuda":
        import torch

        name = torch.cuda.get_device_name(device)
    else:
        name = f"{device.type.upper()}, {os.cpu_count()} cores, {platform.machine()}"
    return f"{name}, {processes} processes" if processes > 1 else name


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those packages that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
