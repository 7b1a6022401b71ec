"""Features of many clouds on a cluster by Ray Data: files from a disk or from object storage, one backbone a worker.

pip install "ppkt-zoo[ray]"
python examples/encode_with_ray.py s3://bucket/scans s3://bucket/features [WORKERS] [WEIGHT]

Both may be local folders, or s3://, gs:// and whatever pyarrow opens. What has an output already is passed over, so the
same command resumes. (On one machine without Ray: ppkt-zoo encode scans --out features --workers 4.)
"""

import sys
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import ray
from pyarrow import fs

import ppkt_zoo
from ppkt_zoo.errors import InputError, PPKTZooError
from ppkt_zoo.files.writing import npz_bytes
from ppkt_zoo.points.files.cloud_files import CLOUD_ENDINGS, parse_cloud


class Encoder:
    """What a worker holds: one backbone, loaded once."""

    def __init__(self, source: str, out: str, weight: str | None) -> None:
        self.backbone = ppkt_zoo.load_backbone(weight)
        self.source, self.source_root = fs.FileSystem.from_uri(source)
        self.out, self.out_root = fs.FileSystem.from_uri(out)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Encode the files of a batch; what went wrong with each, or nothing."""
        return {"name": batch["name"], "error": np.array([self.encode(str(name)) for name in batch["name"]])}

    def encode(self, name: str) -> str:
        """One file to its output, which appears whole or not at all."""
        try:
            with self.source.open_input_file(f"{self.source_root}/{name}") as file:
                cloud, _ = parse_cloud(Path(name), file.read())
            features = self.backbone.encode(cloud.xyz, cloud.rgb)
        except (PPKTZooError, OSError) as error:
            return f"{name}: {error}" if name not in str(error) else str(error)
        arrays = {"xyz": cloud.xyz, "features": features} | ({} if cloud.rgb is None else {"rgb": cloud.rgb})
        target = f"{self.out_root}/{output_of(name)}"
        self.out.create_dir(str(PurePosixPath(target).parent))
        with self.out.open_output_stream(f"{target}.part") as file:
            file.write(npz_bytes(arrays))
        self.out.move(f"{target}.part", target)
        return ""


def output_of(name: str) -> str:
    """``deep/a.ply`` → ``deep/a.npz``."""
    return str(PurePosixPath(name).with_suffix(".npz"))


def names_below(uri: str) -> set[str]:
    """The files below a folder, by their paths from there."""
    system, root = fs.FileSystem.from_uri(uri)
    found = system.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    return {str(PurePosixPath(one.path).relative_to(root)) for one in found if one.is_file}


def main(source: str, out: str, workers: int = 1, weight: str | None = None) -> dict[str, Any]:
    """Encode all clouds below ``source`` that have no output below ``out``; how many were written, and what failed."""
    source, out = (one if "://" in one else str(Path(one).absolute()) for one in (source, out))
    clouds = sorted(name for name in names_below(source) if name.lower().endswith(CLOUD_ENDINGS))
    twice = [name for name, count in Counter(map(output_of, clouds)).items() if count > 1]
    if twice:
        raise InputError(f"several clouds would be written to {twice[0]}: give them to two runs with an output each")
    done = names_below(out)
    left = [{"name": name} for name in clouds if output_of(name) not in done]
    failed: list[str] = []
    if left:
        rows = ray.data.from_items(left, override_num_blocks=min(len(left), 16 * workers))
        given = {"source": source, "out": out, "weight": weight}
        # A batch of one file: no more clouds are in memory than there are workers.
        results = rows.map_batches(Encoder, fn_constructor_kwargs=given, batch_size=1, concurrency=workers, num_cpus=1)
        failed = [row["error"] for row in results.iter_rows() if row["error"]]
    written, skipped = len(left) - len(failed), len(clouds) - len(left)
    print(f"{written} written, {skipped} skipped, {len(failed)} failed", *failed, sep="\n")
    return {"written": written, "skipped": skipped, "failed": failed}


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:4]), *sys.argv[4:5])["failed"] else 0)
