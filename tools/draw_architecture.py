"""Draw docs/images/architecture.svg: packages in the rows of the import contract, and their real imports as arrows.

python tools/draw_architecture.py            # write
python tools/draw_architecture.py --check    # fail where the drawing differs from what would be written

An arrow is left out where the same is said by a longer way (A → B → C stands for A → C too). `files`, `native` and
`errors` are the lowest rows: they are drawn as the ground that all others stand on.
"""

import argparse
import ast
import sys
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "images" / "architecture.svg"
PACKAGE = "ppkt_zoo"
#: What each package is for, in a line of at most 27 characters.
CAPTIONS = {
    "cli": "the command line",
    "testing": "checks for backbones",
    "pretraining": "recipes, trainer, export",
    "downstream": "segmentation, detection",
    "evaluation": "metrics, probes, statistics",
    "encoding": "features of many files",
    "zoo": "load, verify, publish",
    "teachers": "frozen 2D networks",
    "transfer": "projection and losses",
    "convert": "other projects' weights",
    "visualization": "pictures of clouds",
    "backbones": "SR-UNet, PointNet++",
    "rooms": "procedural rooms",
    "data": "frames, readers, shards",
    "points": "clouds, voxels, point files",
    "sparse": "sparse convolutions",
    "engine": "loop, checkpoints, log",
    "files": "the one way to and from the disk and the network",
    "native": "sparse convolution, voxels and neighbours in C++",
    "errors": "every error of the package",
}
_GROUND = ("files", "native", "errors")
_WIDTH, _EDGE = 1000, 30
_BOX, _BOX_HEIGHT, _PASSAGE = 170, 50, 12
_STEP, _GROUND_STEP = 98, 62
_STYLE = """
    .paper { fill: #ffffff } .box { fill: #eef3fb; stroke: #35609c } .ground { fill: #f3f1ea; stroke: #8a7f5c }
    .arrow { fill: none; stroke: #7488a5; stroke-width: 1.6 } .head { fill: #7488a5 }
    text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1c2430 }
    .name { font-size: 16px; font-weight: 600 } .about { font-size: 12px }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #0d1117 } .box { fill: #17263c; stroke: #6ea1e6 } .ground { fill: #2a271d; stroke: #b5a878 }
      .arrow { stroke: #8fa3c0 } .head { fill: #8fa3c0 } text { fill: #e6edf3 }
    }
"""
Edges = set[tuple[str, str]]


@dataclass(frozen=True)
class Place:
    """A box, or a passage in a row through which a long arrow runs: middle and half of its width, top and bottom."""

    x: float
    top: float
    half: float
    height: float


def rows_of_contract() -> list[list[str]]:
    """The rows of the contract, from the top, each with its packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = next(one["layers"] for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    return [[name.strip().removeprefix(f"{PACKAGE}.") for name in layer.split("|")] for layer in layers]


def imports(packages: set[str]) -> Edges:
    """(importer, imported) for every import between the packages, those inside functions too."""
    found: Edges = set()
    for file in sorted((ROOT / PACKAGE).rglob("*.py")):
        room = file.relative_to(ROOT / PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            known = {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")}
            found |= {(room, other) for other in known & packages if room in packages and other != room}
    return found


def without_detours(edges: Edges) -> Edges:
    """The edges that no longer way stands for."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            new = {b for a, b in edges if a == waiting[-1]} - found
            waiting.pop()
            found |= new
            waiting += sorted(new)
        return found

    return {(a, b) for a, b in edges if not any(b in reached(other) for start, other in edges if start == a)}


def with_passages(rows: list[list[str]], edges: Edges) -> tuple[list[list[str]], list[list[str]]]:
    """Rows in which every arrow has a place, and the way of each arrow through them."""
    row_of = {name: number for number, row in enumerate(rows) for name in row}
    full, ways = [list(row) for row in rows], []
    for a, b in sorted(edges):
        middle = [f"{a}>{b}@{number}" for number in range(row_of[a] + 1, row_of[b])]
        for number, name in enumerate(middle, row_of[a] + 1):
            full[number].append(name)
        ways.append([a, *middle, b])
    return full, ways


def untangled(rows: list[list[str]], ways: list[list[str]]) -> list[list[str]]:
    """The rows in an order with few crossings: each name over the mean of its neighbours, the best of some sweeps."""
    steps = [step for way in ways for step in pairwise(way)]
    best = rows = [list(row) for row in rows]
    for sweep in range(24):
        order = range(1, len(rows)) if sweep % 2 == 0 else range(len(rows) - 2, -1, -1)
        for number in order:
            beside = rows[number - 1 if sweep % 2 == 0 else number + 1]
            share = {name: (place + 0.5) / len(beside) for place, name in enumerate(beside)}
            here = {name: (place + 0.5) / len(rows[number]) for place, name in enumerate(rows[number])}

            def mean(name: str, share: dict[str, float] = share, here: dict[str, float] = here) -> float:
                near = [share[b if a == name else a] for a, b in steps if name in (a, b) and (a in share or b in share)]
                return sum(near) / len(near) if near else here[name]

            rows = [*rows[:number], sorted(rows[number], key=mean), *rows[number + 1 :]]
        if _crossings(rows, steps) < _crossings(best, steps):
            best = rows
    return best


def _crossings(rows: list[list[str]], steps: list[tuple[str, str]]) -> int:
    place = {name: (number, at) for number, row in enumerate(rows) for at, name in enumerate(row)}
    ends = [(place[a][0], place[a][1], place[b][1]) for a, b in steps]
    return sum(r == q and (a - c) * (b - d) < 0 for i, (r, a, b) in enumerate(ends) for q, c, d in ends[:i])


def places_of(rows: list[list[str]]) -> dict[str, Place]:
    """Where each box and passage stands: every row spread over the width."""
    found = {}
    for number, row in enumerate(rows):
        widths = [_PASSAGE if "@" in name else _BOX for name in row]
        free = (_WIDTH - 2 * _EDGE - sum(widths)) / (len(row) + 1)
        left = _EDGE + free
        for name, width in zip(row, widths, strict=True):
            found[name] = Place(left + width / 2, _EDGE + number * _STEP, width / 2, _BOX_HEIGHT)
            left += width + free
    return found


def draw() -> str:
    """The whole drawing."""
    contract = rows_of_contract()
    packages = {name for row in contract for name in row}
    if missing := packages - CAPTIONS.keys():
        raise SystemExit(f"tools/draw_architecture.py has no caption for {', '.join(sorted(missing))}")
    rows = [row for row in contract if row[0] not in _GROUND]
    edges = without_detours({edge for edge in imports(packages) if edge[1] not in _GROUND})
    full, ways = with_passages(rows, edges)
    places = places_of(untangled(full, ways))
    ground_top = _EDGE + len(rows) * _STEP - 20
    height = ground_top + len(_GROUND) * _GROUND_STEP + _EDGE - 12
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}">',
        "  <title>The packages of ppkt-zoo and which imports which</title>",
        f"  <style>{_STYLE}  </style>",
        f'  <rect class="paper" width="{_WIDTH}" height="{height}" rx="8"/>',
        '  <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path class="head" d="M0 0 8 4 0 8z"/></marker>',
        *(_arrow(way, ways, places) for way in ways),
        *(_box(name, places[name], "box") for row in rows for name in row),
    ]
    for number, name in enumerate(_GROUND):
        more = "" if name == "native" else "; used by all packages above"
        lines.append(_box(name, _ground(ground_top + number * _GROUND_STEP), "ground", more))
    return "\n".join([*lines, "</svg>", ""])


def _ground(top: float) -> Place:
    return Place(_WIDTH / 2, top, _WIDTH / 2 - _EDGE, _BOX_HEIGHT)


def _box(name: str, place: Place, kind: str, more: str = "") -> str:
    left, width = place.x - place.half, 2 * place.half
    return (
        f'  <g text-anchor="middle"><rect class="{kind}" x="{left:.1f}" y="{place.top:.1f}" width="{width:.1f}" '
        f'height="{place.height}" rx="7"/><text class="name" x="{place.x:.1f}" y="{place.top + 21:.1f}">{name}</text>'
        f'<text class="about" x="{place.x:.1f}" y="{place.top + 39:.1f}">{CAPTIONS[name]}{more}</text></g>'
    )


def _arrow(way: list[str], ways: list[list[str]], places: dict[str, Place]) -> str:
    """One arrow, from its own place at the bottom edge of a box to its own place at the top edge of another."""
    start, end = places[way[0]], places[way[-1]]
    x = _port(start, [one[1] for one in ways if one[0] == way[0]], way[1], places)
    path, y = [f"M{x:.1f} {start.top + start.height:.1f}"], start.top + start.height
    stops = [(places[name].x, places[name].top) for name in way[1:-1]]
    last = _port(end, [one[-2] for one in ways if one[-1] == way[-1]], way[-2], places)
    for number, (to_x, to_y) in enumerate([*stops, (last, end.top - 1)]):
        bend = (to_y - y) / 2
        path.append(f"C{x:.1f} {y + bend:.1f} {to_x:.1f} {to_y - bend:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
        if number < len(stops):
            path.append(f"V{to_y + _BOX_HEIGHT:.1f}")
            y = to_y + _BOX_HEIGHT
    return f'  <path class="arrow" marker-end="url(#head)" d="{" ".join(path)}"/>'


def _port(box: Place, others: list[str], this: str, places: dict[str, Place]) -> float:
    """Where on a box's edge the arrow to or from ``this`` stands among those to and from all ``others``."""
    order = sorted(others, key=lambda name: places[name].x)
    spread = min(24.0, 1.5 * box.half / len(order))
    return box.x + (order.index(this) - (len(order) - 1) / 2) * spread


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    drawn = draw()
    if not asked.check:
        TARGET.write_text(drawn, encoding="utf-8", newline="\n")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != drawn:
        sys.exit("docs/images/architecture.svg is out of date: run python tools/draw_architecture.py")


if __name__ == "__main__":
    main()
