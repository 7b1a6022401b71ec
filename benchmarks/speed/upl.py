"""UPL at sampled pixels against the same through the upsampled map: memory and time of forward and backward.

    python -m benchmarks.speed.upl

The paper's sizes: ResNet-50's layer4 (2048 channels, stride 32) of four images of 480 x 640, 128 dimensions, 4096
pairs. Each way runs in a process of its own; its memory is the largest resident set less what the process held
before the first step, features and parameters included there.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.machine import ROOT, keep, machine, table
from ppkt_zoo.transfer.projection import UPL

CHANNELS, DIM, PAIRS, STRIDE = 2048, 128, 4096, 32
BATCH, HEIGHT, WIDTH = 4, 480, 640
WAYS = ("project, then sample", "sample, then project", "full map")


def main() -> None:
    """Measure each way in its own process, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--way", choices=WAYS, help="measure one way in this process and print it as JSON")
    options = parser.parse_args()
    if options.way is not None:
        print(json.dumps(measure(options.way, options.repeats)))
        return
    rows = []
    for way in WAYS:
        command = [sys.executable, "-m", "benchmarks.speed.upl", "--way", way, "--repeats", str(options.repeats)]
        rows.append(json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout))
    sampled, full = rows[0], rows[-1]
    apart = max(abs(row["loss"] - full["loss"]) for row in rows)
    result = {
        "machine": machine(),
        "sizes": {"batch": BATCH, "image": [HEIGHT, WIDTH], "channels": CHANNELS, "dim": DIM, "pairs": PAIRS},
        "rows": rows,
        "memory ratio": full["peak MiB"] / sampled["peak MiB"],
        "time ratio": full["median s"] / sampled["median s"],
        "largest difference of losses": apart,
    }
    print(table(rows))
    print(f"\nfull map / sampled: {result['memory ratio']:.1f} x memory, {result['time ratio']:.1f} x time")
    print(f"losses differ by at most {apart:.1e}; kept in {keep('upl', result)}")


def measure(way: str, repeats: int) -> dict[str, str | float]:
    """Peak memory and seconds of forward and backward, and the loss, which must be the same for every way."""
    torch.manual_seed(0)
    upl = UPL(CHANNELS, DIM, order="sample_first" if way == WAYS[1] else "project_first")
    features = torch.randn(BATCH, CHANNELS, HEIGHT // STRIDE, WIDTH // STRIDE)
    image = torch.randint(BATCH, (PAIRS,))
    pixel = torch.stack((torch.randint(WIDTH, (PAIRS,)), torch.randint(HEIGHT, (PAIRS,))), 1)
    target = F.normalize(torch.randn(PAIRS, DIM), dim=1)
    embed = _full_map if way == WAYS[2] else _sampled
    _step(embed, upl, features[:, :, :2, :2], image[:16], pixel[:16] // 16, target[:16])  # libraries make ready
    before = _largest()
    seconds = []
    for repeat in range(repeats + 1):
        start = time.perf_counter()
        loss = _step(embed, upl, features, image, pixel, target)
        if repeat:  # the first one warms up
            seconds.append(time.perf_counter() - start)
    return {
        "way": way,
        "peak MiB": _largest() - before,
        "median s": statistics.median(seconds),
        "best s": min(seconds),
        "loss": loss,
    }


Embed = Callable[[UPL, Tensor, Tensor, Tensor], Tensor]


def _step(embed: Embed, upl: UPL, features: Tensor, image: Tensor, pixel: Tensor, target: Tensor) -> float:
    upl.zero_grad()
    loss = -(embed(upl, features, image, pixel) * target).sum()
    loss.backward()
    return loss.item()


def _sampled(upl: UPL, features: Tensor, image: Tensor, pixel: Tensor) -> Tensor:
    embeddings: Tensor = upl(features, image, (pixel + 0.5) / STRIDE - 0.5)
    return embeddings


def _full_map(upl: UPL, features: Tensor, image: Tensor, pixel: Tensor) -> Tensor:
    full = F.interpolate(upl.projection(features), scale_factor=STRIDE, mode="bilinear", align_corners=False)
    return F.normalize(full[image, :, pixel[:, 1], pixel[:, 0]], dim=1)


def _largest() -> float:
    """The largest resident set of this process so far, in MiB (Linux counts KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
