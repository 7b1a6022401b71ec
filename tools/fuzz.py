"""Mutate inputs of everything that reads strangers' bytes, as often as asked; save what breaks a reader.

Each target is read in a process of its own, which may take 2 GB and 10 s an input; an error that is not ours, a hang
and a process that dies are all faults.

python tools/fuzz.py                           # 200 000 inputs a target
python tools/fuzz.py manifest ply --runs 5000
python tools/fuzz.py --bombs                   # only the inputs that claim far more than they are
python tools/fuzz.py safetensors --atheris     # guided by coverage, where atheris is installed
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

# Coverage is counted in what is imported under atheris alone.
if "--atheris" in sys.argv:
    import atheris

    with atheris.instrument_imports(include=["ppkt_zoo"]):
        from tests.fuzzing import TARGETS, check, mutated
else:
    from tests.fuzzing import TARGETS, check, mutated
from tests.fuzzing.watched import Watched, watch  # noqa: E402 (behind the choice of how to import)

_MEGABYTE = 2**20


def main() -> int:
    """Run, and tell; 1 where a reader raised something that is not ours, hung or died."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("targets", nargs="*", help=f"some of {', '.join(TARGETS)}; all where not given")
    parser.add_argument("--runs", type=int, default=200_000, help="inputs a target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bombs", action="store_true", help="read each target's bombs, and no mutated input")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "fuzz", help="inputs that broke a reader")
    parser.add_argument("--results", type=Path, help="JSON that gets what was done, target by target")
    parser.add_argument("--atheris", action="store_true", help="let atheris choose the inputs of one target")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - set(TARGETS):
        parser.error(f"there is no target {min(unknown)}")
    names = asked.targets or list(TARGETS)
    if asked.atheris:
        return with_atheris(names[0], asked.runs, asked.out)
    broken = 0
    for name in names:
        found = fuzz(name, 0 if asked.bombs else asked.runs, asked.seed, asked.out)
        broken += int(found["broken"])
        print(f"{name}: {found}", flush=True)
        if asked.results is not None:
            keep(asked.results, name, found)
    return 1 if broken else 0


def fuzz(name: str, runs: int, seed: int, out: Path) -> dict[str, float]:
    """Inputs that were read, refused, and that broke the reader; each kind of break is saved once."""
    target, began = TARGETS[name], time.perf_counter()
    runs = -(-runs // target.cost)
    seeds, bombs = target.seeds(), list(target.bombs())

    def inputs(start: int) -> Iterator[bytes]:
        # Each place has numbers of its own, so that a process may begin anywhere.
        for place in range(start, runs):
            yield mutated(target, seeds, random.Random(f"{name} {seed} {place}"))

    found = watch(lambda data: check(name, data), lambda start: iter(bombs[start:]))
    found = watch(lambda data: check(name, data), inputs, Watched(0, found.faults, found.slowest, found.peak))
    for number, (place, data) in enumerate(found.faults.items(), start=1):
        file = out / name / f"{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        print(f"{name}: {place} → {file}", flush=True)
    return {
        "runs": runs,
        "bombs": len(bombs),
        "read": found.read,
        "broken": len(found.faults),
        "slowest_s": round(found.slowest, 3),
        "grown_mb": round(found.peak / _MEGABYTE),
        "seconds": round(time.perf_counter() - began),
    }


def keep(file: Path, name: str, found: dict[str, float]) -> None:
    """Add a target's figures to a JSON file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.write_text(json.dumps({**before, name: found}, indent=1) + "\n", encoding="utf-8")


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
