"""`describe_machine`: the few words on a machine that a weight's record keeps."""

import os
import platform

import torch


def describe_machine(device: torch.device, processes: int = 1) -> str:
    """What a run learned on: the GPU's name, or the processor's cores and kind; and how many processes shared it."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{device.type.upper()}, {os.cpu_count()} cores, {platform.machine()}"
    return f"{name}, {processes} processes" if processes > 1 else name
