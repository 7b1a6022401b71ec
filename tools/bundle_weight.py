"""Take a trained weight folder, with the figures of its proof, into the package and the manifest.

python tools/bundle_weight.py runs/first_weight/weight --results docs/results/first_weight.json
python tools/bundle_weight.py runs/family/NAME/weight --results docs/results/pretraining.json
python tools/bundle_weight.py ppkt_zoo/weights/NAME --results docs/results/pretraining.json \
    --results benchmarks/results/readouts.json --results benchmarks/results/robustness.json   # its figures alone
python tools/bundle_weight.py runs/segmenter/model    # a model with a head keeps the figures of its own test
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from ppkt_zoo.zoo.folder import open_weight_folder, update_record, weight_spec
from ppkt_zoo.zoo.load import verify
from ppkt_zoo.zoo.manifest import BundledSource, load_manifest, with_weight, write_manifest

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Copy the folder, write the metrics into its record, verify it, list it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="the weight folder that pretraining wrote")
    parser.add_argument(
        "--results",
        type=Path,
        default=[],
        action="append",
        help="JSON of figures of exactly this weight; repeatable; needed for a backbone alone",
    )
    asked = parser.parse_args()
    trained = open_weight_folder(asked.folder)
    if not asked.results and trained.config.head is None:
        raise SystemExit(f"{asked.folder} is a backbone alone: give --results, what it is worth")
    metrics: list[dict[str, Any]] = []
    for file in asked.results:
        found = _metrics(json.loads(file.read_text(encoding="utf-8")), trained.config.files["model.safetensors"].sha256)
        if found is None:
            raise SystemExit(f"{file} does not speak of {asked.folder}: measure exactly this weight first")
        metrics += found
    target = ROOT / "ppkt_zoo" / "weights" / trained.config.name
    # Given where it lies in the package, a weight's figures are written anew and nothing is copied.
    if not (target.exists() and target.samefile(trained.path)):
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(asked.folder, target)
    record = trained.record().model_dump(mode="json") | ({"metrics": metrics} if asked.results else {})
    bundled = update_record(target, record)
    print(verify(target))
    manifest_file = ROOT / "weights_manifest.json"
    spec = weight_spec(bundled, BundledSource(folder=target.name))
    write_manifest(with_weight(load_manifest(manifest_file), spec), manifest_file)
    print(f"{spec.name} is bundled: {sum(entry.size for entry in spec.files.values()) / 1e6:.1f} MB")


def _metrics(results: dict[str, Any], sha256: str) -> list[dict[str, Any]] | None:
    """The metrics of exactly this weight, from the proof of one weight or of a family."""
    if "records" in results:
        family: list[dict[str, Any]] | None = results["records"].get(sha256)
        return family
    proof: list[dict[str, Any]] = results["metrics"]
    return proof if results["weight"]["sha256"] == sha256 else None


if __name__ == "__main__":
    main()
