"""What a weight is worth on clouds unlike those that its probe knows: sparser, noisier, tilted, without colour.

    python -m benchmarks.evaluation.robustness sr_unet14_slim.ppkt_voc runs/flagship/weight --kitchen

Linear probes are fitted on clean scans and asked about changed ones, five probe seeds each. Nothing is chosen here: a
weight is read out as its folder recommends, or as the options say. Figures go to benchmarks/results/robustness.json;
what was measured of a weight before stays there until that weight is measured again.
"""

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from benchmarks.evaluation.changes import CHANGES, Scans, greyed, without_colour
from benchmarks.evaluation.journal import Journal
from benchmarks.evaluation.kept import estimate, summary
from benchmarks.evaluation.material import Labelled, Material
from benchmarks.evaluation.options import add_options, material_of, measure_each
from benchmarks.evaluation.probing import LAST, Probes, ProbeTask, ask_probes, fit_probes
from benchmarks.evaluation.read_out import add_read_out_options, chosen, facts, of_read_out, ready, short, without
from benchmarks.evaluation.scans import KitchenScans, RoomScans
from benchmarks.evaluation.students import Pretrained
from benchmarks.machine import machine
from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.points.readout_spec import ReadOut
from ppkt_zoo.rooms.room import VERSION
from ppkt_zoo.zoo.card import ROBUSTNESS

SETS = {"rooms": "rooms-bench v1, unseen rooms", "kitchen": "7-Scenes red kitchen, classes by the VOC teacher, unseen"}
_CLEAN = CHANGES[0]


def main(words: Sequence[str] | None = None) -> None:
    """Measure every weight that is named."""
    asked = read_arguments(words)
    material = material_of(asked)
    measure_each("robustness", asked, lambda weight: measure(weight, material, asked), metrics)


def measure(weight: Pretrained, material: Material, asked: argparse.Namespace) -> dict[str, Any]:
    """One weight's figures on every set that is asked for."""
    read_out = chosen(weight, asked, "many_classes")
    backbone = ready(weight, material)
    amount = f"world{VERSION}-seeds{asked.seeds}-{material.amount.name}"
    journal = Journal(asked.journal / f"robustness-{weight.key[:21]}-{short(read_out)}-{amount}.jsonl")
    scans: dict[str, Scans] = {"rooms": RoomScans(material)}
    if asked.kitchen:
        scans["kitchen"] = KitchenScans(material)
    return {
        "name": weight.name,
        "key": weight.key,
        "trained_on": weight.facts()["trained_on"],
        "read_out": facts(read_out),
        "seeds": list(range(asked.seeds)),
        "world": VERSION,
        "amount": dataclasses.asdict(material.amount),
        "changes": {change.key: change.how for change in CHANGES},
        "sets": {
            name: Rows(backbone, read_out, material.tasks()[name], some, asked.seeds).all(journal, name)
            for name, some in scans.items()
        },
        "machine": machine(),
        "spent": journal.spent(),
    }


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows of one weight's table on one set."""

    backbone: Backbone
    read_out: ReadOut
    task: ProbeTask
    scans: Scans
    seeds: int

    def all(self, journal: Journal, name: str) -> list[dict[str, Any]]:
        """Every change with colour, then both ways of doing without it."""
        rows = []
        changed = [
            (change.key, change.title, partial(self._changed, partial(change, self.scans))) for change in CHANGES
        ]
        for key, title, ask in [*changed, *self._colourless()]:
            rows.append({"key": key, "title": title, **journal.remember(f"{name}/{key}", ask)})
            print(f"  {name}, {title}: {rows[-1]['mean']:.3f}", flush=True)
        return rows

    def _colourless(self) -> list[tuple[str, str, Callable[[], dict[str, Any]]]]:
        """Probes that learned with colour and probes that learned without, both asked about clouds without."""
        takes_none = self.backbone.input_spec.missing_color == "grey"
        take = without_colour if takes_none else greyed
        what = "no colour" if takes_none else "one grey for all points"
        key = "no_colour" if takes_none else "grey"
        blind = without(self.read_out, "color")

        def asked(scan: Callable[[int], Labelled]) -> Callable[[], dict[str, Any]]:
            def measured() -> dict[str, Any]:
                probes = self._fit(dataclasses.replace(self.task, fit=scan), blind)
                return self._ask(probes, lambda index: take(self.scans.clean(index)), blind)

            return measured

        return [
            (f"{key}_probe_with", f"{what}, probe fitted with colour", asked(self.task.fit)),
            (f"{key}_probe_without", f"{what}, probe fitted without", asked(lambda index: take(self.task.fit(index)))),
        ]

    @cached_property
    def _probes(self) -> dict[int, Probes]:
        return self._fit(self.task, self.read_out)

    def _fit(self, task: ProbeTask, read_out: ReadOut) -> dict[int, Probes]:
        return fit_probes(task, of_read_out(self.backbone, read_out), range(self.seeds), linear_only=True)

    def _changed(self, scan: Callable[[int], Labelled]) -> dict[str, Any]:
        return self._ask(self._probes, scan, self.read_out)

    def _ask(self, probes: Mapping[int, Probes], scan: Callable[[int], Labelled], read_out: ReadOut) -> dict[str, Any]:
        task = dataclasses.replace(self.task, test=scan)
        reports = ask_probes(task, of_read_out(self.backbone, read_out), probes)
        points = int(reports[0][LAST]["points"])
        return {**summary([one[LAST]["miou"] for one in reports]), "points": points}


def metrics(weight: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Entries of the weight's record: each changed figure beside the clean one."""
    found = []
    for name, rows in weight["sets"].items():
        clean = {"name": _CLEAN.title, **estimate(rows[0]["values"])}
        found += [
            {
                "name": ROBUSTNESS + row["title"],
                "data": f"{SETS[name]}; linear probe mIoU; {weight['read_out']['name']}",
                "seeds": weight["seeds"],
                "n": row["points"],
                **estimate(row["values"]),
                "control": clean,
            }
            for row in rows
        ]
    return found


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Measure weights on changed clouds.")
    parser.add_argument("weights", nargs="+", help="folders, or names of weights of the package")
    parser.add_argument("--kitchen", action="store_true", help="on the real kitchen too")
    add_options(parser)
    add_read_out_options(parser)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
