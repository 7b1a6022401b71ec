"""Weights on real frames that nobody tuned on: the permissively licensed ones, of which two sources are held out.

    python -m benchmarks.evaluation.real_permissive sr_unet14_slim.ppkt_voc runs/flagship/weight

Each weight is asked, beside its untrained network and the points' own colour: how much of the teacher's view a linear
map finds in its features, on frames that neither saw; whether it tells the things on a table from the table, on
tables that the probe was not fitted on; whether it finds a place again in a second recording; and whether a point
finds its pixel. Height is never appended: the tables' truth is a height. Sources that a weight may have been trained
on are told apart. Figures go to benchmarks/results/real_permissive.json.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.evaluation.embeddings import retrieval
from benchmarks.evaluation.journal import Journal
from benchmarks.evaluation.kept import Found, estimate, summary
from benchmarks.evaluation.material import Material
from benchmarks.evaluation.options import add_options, material_of, measure_each
from benchmarks.evaluation.permissive import HELD_OUT, SEEN, TRANSPARENT, Key, Permissive
from benchmarks.evaluation.permissive_measures import (
    CLASSES,
    Sample,
    draw_sample,
    encoded,
    feature_correlation,
    objects_on_tables,
    same_place,
    teacher_agreement,
)
from benchmarks.evaluation.permissive_pairs import Pair, pairs_of
from benchmarks.evaluation.probing import LAST, Featurise, of_colour_and_height
from benchmarks.evaluation.read_out import (
    TODAY,
    add_read_out_options,
    chosen,
    facts,
    of_read_out,
    ready,
    short,
    with_statistics,
    without,
)
from benchmarks.evaluation.students import Pretrained, make_untrained
from benchmarks.machine import machine
from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.readout_spec import ReadOut
from ppkt_zoo.teachers.torchvision import VOC_CLASSES

UNTRAINED, COLOUR, RAW = "untrained", "colour alone", "colour and height"
_STATISTICS_CLOUDS = 2
# Two frames are enough to show that it runs.
_TINY = 2


def main(words: Sequence[str] | None = None) -> None:
    """Measure every weight that is named."""
    asked = read_arguments(words)
    material = material_of(asked)
    with flushed_denormals():
        measured = Measurement(material, asked)
    measure_each("real_permissive", asked, measured.of, metrics)


class Measurement:
    """All that is asked of a weight; what belongs to the frames alone is read once.

    Args:
        material: where everything lies.
        asked: the options.
    """

    def __init__(self, material: Material, asked: argparse.Namespace) -> None:
        self.material, self.asked, self.seeds = material, asked, range(asked.seeds)
        self.frames = Permissive(material.shared)
        self.held_out, self.seen = (self.frames.keys(sources) for sources in (HELD_OUT, SEEN))
        keys = [*self.held_out, *self.seen]
        self.samples: dict[Key, Sample] = {key: draw_sample(self.frames, key, VOC_CLASSES) for key in keys}
        self.pairs: dict[str, list[Pair]] = pairs_of(self.frames, material, most=_TINY if asked.tiny else None)

    def of(self, weight: Pretrained) -> Found:
        """One weight's figures, its untrained network's and those of the points' own colour."""
        check_held_out(weight.recipe)
        backbone = ready(weight, self.material)
        read_outs = dict.fromkeys([TODAY, without(chosen(weight, self.asked, "few_labels"), "height")])
        name = "+".join(short(one) for one in read_outs)
        journal = Journal(self.asked.journal / f"permissive-{weight.key[:21]}-{name}-seeds{self.asked.seeds}.jsonl")
        students: dict[str, list[Found]] = {}
        for read_out in read_outs:
            students[f"{weight.name}, {read_out}"] = self._fixed(
                journal, short(read_out), of_read_out(backbone, read_out)
            )
            students[f"{UNTRAINED}, {read_out}"] = [
                journal.remember(f"untrained/{short(read_out)}/{seed}", self._untrained, weight, read_out, seed)
                for seed in self.seeds
            ]
        students[COLOUR] = self._fixed(journal, COLOUR, of_colour)
        students[RAW] = self._fixed(journal, RAW, of_colour_and_height)
        figures = {
            student: {name: summary([one[name] for one in some]) for name in some[0]}
            for student, some in students.items()
        }
        for student, some in figures.items():
            print(f"  {student}: " + "; ".join(f"{name} {one['mean']:.3f}" for name, one in some.items()), flush=True)
        return {
            "name": weight.name,
            "key": weight.key,
            "trained_on": weight.facts()["trained_on"],
            "read_outs": [facts(one) for one in read_outs],
            "seeds": list(self.seeds),
            "classes": list(CLASSES),
            "held_out": list(HELD_OUT),
            "seen": list(SEEN),
            "frames": {"held out": len(self.held_out), "seen": len(self.seen)},
            "students": figures,
            "pixels": self._pixels(weight, journal),
            "machine": machine(),
            "spent": journal.spent(),
        }

    def _fixed(self, journal: Journal, name: str, featurise: Featurise) -> list[Found]:
        found: list[Found] = journal.remember(name, self._figures, featurise, list(self.seeds))
        return found

    def _untrained(self, weight: Pretrained, read_out: ReadOut, seed: int) -> Found:
        rows = np.random.default_rng([seed, 53]).permutation(len(self.seen))[:_STATISTICS_CLOUDS]
        clouds = [self.frames.cloud(self.seen[row]).cloud for row in rows]
        backbone = with_statistics(make_untrained(weight.folder.config, seed, clouds), clouds)
        return self._figures(of_read_out(backbone, read_out), [seed])[0]

    def _figures(self, featurise: Featurise, seeds: Sequence[int]) -> list[Found]:
        """Every figure of one network, by its name, for each seed; each frame is encoded once."""
        features = encoded(self.frames, self.samples, featurise)
        halves = {"held out": (self.seen, self.held_out), "seen": (self.held_out, self.seen)}
        found = []
        for seed in seeds:
            one: Found = {}
            for half, (fit, ask) in halves.items():
                one[f"teacher's classes, {half}"] = teacher_agreement(features, self.samples, fit, ask, seed)
                one[f"teacher's features, {half}"] = feature_correlation(features, self.samples, fit, ask, seed)
            held, seen = objects_on_tables(features, self.samples, seed, neighbours=True)
            one |= {"objects, held out": held, "objects, seen": seen}
            one["objects, held out, other laboratories"] = objects_on_tables(
                features, self.samples, seed, neighbours=False
            )[0]
            for name, pairs in self.pairs.items():
                hits = [same_place(featurise, (pair.first, pair.second), pair.twin, seed) for pair in pairs]
                hit, chance = np.mean(hits, axis=0)
                one |= {f"same place, {name}": float(hit), f"chance of the same place, {name}": float(chance)}
            found.append(one)
        return found

    def _pixels(self, weight: Pretrained, journal: Journal) -> Found:
        """How often a point finds its own pixel by the heads of training; nothing where a weight has none."""
        if not weight.taught_by(self.frames.teacher.sha256 or ""):
            return {}
        assert weight.heads is not None
        teacher = weight.teacher([self.material.shared / "teachers" / "deeplabv3_mobilenet_v2_voc21.safetensors"])
        sets: Found = {}
        for half, keys in {"held out": self.held_out, "seen": self.seen}.items():
            source = Frames([key for key in keys if key[0] != TRANSPARENT or key[1] % 2 == 0], self.frames)
            drawn = [
                journal.remember(
                    f"pixels/{half}/{seed}",
                    retrieval,
                    weight.backbone,
                    weight.heads,
                    teacher,
                    source,
                    self.material.amount,
                    seed,
                )
                for seed in self.seeds
            ]
            sets[half] = {top: summary([one[top] for one in drawn]) for top in ("top1", "top5")}
            print(f"  pixels, {half}: top-1 {sets[half]['top1']['mean']:.4f}", flush=True)
        return {"pairs": self.material.amount.pairs, "frames": self.material.amount.retrieval_frames, "sets": sets}


class Frames:
    """Frames of several sources as one. A FrameSource."""

    def __init__(self, keys: Sequence[Key], frames: Permissive) -> None:
        self.name, self.keys, self.frames = "permissive frames", list(keys), frames

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> RGBDFrame:
        source, number = self.keys[index]
        return self.frames.source(source)[number]


def of_colour(cloud: PointCloud, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Colour in [-0.5, 0.5], no network: float32 (R, 3)."""
    return {LAST: of_colour_and_height(cloud, rows)[LAST][:, :3]}


def check_held_out(recipe: Mapping[str, Any]) -> None:
    """Raise SystemExit where a recipe trains on a source that is held out."""
    for entry in recipe["data"]:
        named = {entry.get("name"), *entry.get("folders", ())} & set(HELD_OUT)
        if named or (entry.get("name") == "real_permissive" and not entry.get("folders")):
            what = min(named, default="all of real_permissive")
            raise SystemExit(f"{recipe['weight']} was trained on {what}: its figures there would prove nothing")


def metrics(weight: Mapping[str, Any]) -> list[Found]:
    """Entries of the weight's record: held-out figures by its read-out, beside the untrained network."""
    read_out = weight["read_outs"][-1]["name"]
    ours, control = (weight["students"][f"{who}, {read_out}"] for who in (weight["name"], UNTRAINED))
    frames = "real permissive frames, uois-tabletop and cleargrasp-d435, unseen"
    titles = {
        "teacher's classes, held out": "mIoU with the teacher's classes, linear probe",
        "teacher's features, held out": "correlation with the teacher's features, linear map",
        "objects, held out, other laboratories": "table against objects, linear probe mIoU",
    }
    found = [
        {
            "name": title,
            "data": f"{frames}; {read_out}",
            "seeds": weight["seeds"],
            "n": weight["frames"]["held out"],
            **estimate(ours[key]["values"]),
            "control": {"name": "random initialisation, same read-out", **estimate(control[key]["values"])},
        }
        for key, title in titles.items()
    ]
    if weight["pixels"]:
        pairs = weight["pixels"]["pairs"]
        found.append(
            {
                "name": f"retrieval top-1 of {pairs}",
                "data": frames,
                "seeds": weight["seeds"],
                "n": pairs,
                **estimate(weight["pixels"]["sets"]["held out"]["top1"]["values"]),
                "control": {"name": "chance", "value": 1 / pairs},
            }
        )
    return found


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Measure weights on permissively licensed real frames.")
    parser.add_argument("weights", nargs="+", help="folders, or names of weights of the package")
    add_options(parser)
    add_read_out_options(parser)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
