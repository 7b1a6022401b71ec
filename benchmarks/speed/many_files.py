"""Many small clouds: a command for each, against one command for all of them; and its memory as they grow in number.

    python -m benchmarks.speed.many_files      # → benchmarks/results/many_files.json

Seconds of the clock depend on what else the machine does, seconds of the processor hardly. Peak memory is that of the
largest process of a command.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS, ROOT, keep, machine, table, told
from benchmarks.speed.furnished_room import room
from ppkt_zoo.points.files.cloud_files import write_cloud

_KILOBYTE = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--clouds", type=int, default=40)
    parser.add_argument("--points", type=int, default=10_000, help="of each cloud")
    parser.add_argument("--memory", type=int, nargs="+", default=[10, 40, 160], help="numbers of clouds")
    parser.add_argument("--quick", action="store_true", help="keep what was measured before of a command for each")
    asked = parser.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_clouds(folder / "clouds", max(asked.clouds, *asked.memory), asked.points)
        rows = [*(_kept()["rows"][:1] if asked.quick else []), *compare(folder, asked.clouds, int(asked.quick))]
        memory = [memory_of(folder, count) for count in asked.memory]
    result = {"machine": before, "clouds": asked.clouds, "points": asked.points, "rows": rows, "memory": memory}
    print(told(before))
    print(table(rows))
    print(table(memory))
    print(f"kept in {keep('many_files', result)}")


def make_clouds(folder: Path, count: int, points: int) -> None:
    """Pieces of a furnished room, each of them another one."""
    folder.mkdir()
    xyz, rgb = room()
    order = xyz[:, 0].argsort(kind="stable")
    for number in range(count):
        begin = (number * 997) % max(1, len(order) - points)
        rows = order[begin : begin + points]
        write_cloud(folder / f"cloud{number:04}.ply", xyz[rows], rgb[rows])


def compare(folder: Path, count: int, first: int = 0) -> list[dict[str, Any]]:
    """Seconds for some clouds by each way of encoding them, from the first of these on, with the load at its time."""
    clouds = sorted((folder / "clouds").iterdir())[:count]
    listed = _list(folder, count)

    def each() -> list[dict[str, float]]:
        return [run("encode", str(one), "--out", str(folder / "each" / f"{one.stem}.npz")) for one in clouds]

    def at_once(workers: int) -> list[dict[str, float]]:
        out = str(folder / f"of{workers}")
        return [run("encode", "--list", str(listed), "--out", out, "--workers", str(workers))]

    ways: dict[str, Callable[[], list[dict[str, float]]]] = {
        "a command for each": each,
        "one command, 1 worker": lambda: at_once(1),
        "one command, 2 workers": lambda: at_once(2),
        "the same again, all skipped": lambda: at_once(2),
    }
    rows = []
    for name, way in list(ways.items())[first:]:
        load = round(os.getloadavg()[0], 1)
        runs = way()
        row = {"how": name} | {key: round(sum(one[key] for one in runs), 2) for key in ("wall s", "processor s")}
        rows.append(row | {"peak MB": round(max(one["peak MB"] for one in runs), 1), "load": load})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def memory_of(folder: Path, count: int) -> dict[str, Any]:
    """Peak memory of one command over so many clouds."""
    found = run("encode", "--list", str(_list(folder, count)), "--out", str(folder / f"memory{count}"))
    row = {"clouds": count, "peak MB": round(found["peak MB"], 1), "wall s": round(found["wall s"], 2)}
    print(json.dumps(row), flush=True)
    return row


def run(*words: str) -> dict[str, float]:
    """Seconds and megabytes of a command, with those of the processes that it starts and waits for."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "ppkt_zoo", *words, "--quiet"], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"ppkt-zoo {' '.join(words)} ended with {process.returncode}")
    return {
        "wall s": time.perf_counter() - began,
        "processor s": used.ru_utime + used.ru_stime,
        "peak MB": used.ru_maxrss * _KILOBYTE / 1e6,
    }


def _kept() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / "many_files.json").read_text(encoding="utf-8"))
    return found


def _list(folder: Path, count: int) -> Path:
    clouds = sorted((folder / "clouds").iterdir())[:count]
    listed = folder / f"list{count}.txt"
    listed.write_text("".join(f"{one}\n" for one in clouds))
    return listed


if __name__ == "__main__":
    main()
