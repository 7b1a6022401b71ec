"""Mutate inputs of everything that reads strangers' bytes, as often as asked; save what breaks a reader.

python tools/fuzz.py                           # 200 000 inputs a target
python tools/fuzz.py manifest ply --runs 5000
python tools/fuzz.py safetensors --atheris     # guided by coverage, where atheris is installed
"""

import argparse
import json
import random
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

# Coverage is counted in what is imported under atheris alone.
if "--atheris" in sys.argv:
    import atheris

    with atheris.instrument_imports(include=["ppkt_zoo"]):
        from fuzzing import TARGETS, check, mutated
else:
    from fuzzing import TARGETS, check, mutated


def main() -> int:
    """Run, and tell; 1 where a reader raised something that is not ours."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("targets", nargs="*", help=f"some of {', '.join(TARGETS)}; all where not given")
    parser.add_argument("--runs", type=int, default=200_000, help="inputs a target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "fuzz", help="inputs that broke a reader")
    parser.add_argument("--results", type=Path, help="JSON that gets what was done, target by target")
    parser.add_argument("--atheris", action="store_true", help="let atheris choose the inputs of one target")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - set(TARGETS):
        parser.error(f"there is no target {min(unknown)}")
    names = asked.targets or list(TARGETS)
    if asked.atheris:
        return with_atheris(names[0], asked.runs, asked.out)
    results, broken = {}, 0
    for name in names:
        found = fuzz(name, asked.runs, asked.seed, asked.out)
        broken += found["broken"]
        results[name] = found
        print(f"{name}: {found}", flush=True)
    if asked.results is not None:
        asked.results.parent.mkdir(parents=True, exist_ok=True)
        before = json.loads(asked.results.read_text(encoding="utf-8")) if asked.results.exists() else {}
        asked.results.write_text(json.dumps(before | results, indent=1) + "\n", encoding="utf-8")
    return 1 if broken else 0


def fuzz(name: str, runs: int, seed: int, out: Path) -> dict[str, float]:
    """Inputs that were read, refused, and that broke the reader; each kind of break is saved once."""
    target, seeds, choice = TARGETS[name], TARGETS[name].seeds(), random.Random(f"{name} {seed}")
    taken, places, slowest, began = 0, set(), 0.0, time.perf_counter()
    for _ in range(runs):
        data, start = mutated(target, seeds, choice), time.perf_counter()
        try:
            taken += check(name, data)
        except Exception as error:  # noqa: BLE001 (whatever comes out is what is looked for)
            place = f"{type(error).__name__} {traceback.extract_tb(error.__traceback__)[-1].lineno}"
            if place not in places:
                places.add(place)
                file = out / name / f"{len(places)}.bin"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
                print(f"{name}: {type(error).__name__}: {error} → {file}", flush=True)
        slowest = max(slowest, time.perf_counter() - start)
    seconds = time.perf_counter() - began
    return {
        "runs": runs,
        "read": taken,
        "broken": len(places),
        "slowest_s": round(slowest, 3),
        "seconds": round(seconds),
    }


def with_atheris(name: str, runs: int, out: Path) -> int:
    """Guided by coverage from the good inputs on; ends with atheris's own report."""
    corpus = out / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed{number}").write_bytes(data)
    atheris.Setup([sys.argv[0], f"-runs={runs}", str(corpus)], lambda data: check(name, data) and None)
    atheris.Fuzz()  # leaves the program when it is done
    return 0


if __name__ == "__main__":
    sys.exit(main())
