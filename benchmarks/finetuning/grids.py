"""The runs behind docs/results/downstream.md: which starts are compared, on what, with how many labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppkt_zoo.downstream.grid import Grid

SEEDS = 5
FRACTIONS = (0.01, 0.05, 0.1, 0.3, 1.0)
TEN_PERCENT = (0.1,)
ALL_LABELS = (1.0,)
FIVE_FRAMES = (0.0833,)
ONE_TO_SIXTY_FRAMES = (0.0167, 0.0833, 0.3333, 1.0)

# Weights that are too large to travel with the package are made again by their recipes.
_MADE_HERE = "local-dir:runs/family/{}/weight"

STARTS = {
    "scratch": "random",
    "ppkt_voc": "sr_unet14_slim.ppkt_voc",
    "ppkt_imagenet": "sr_unet14_slim.ppkt_imagenet",
    "ppkt_sup_rooms": _MADE_HERE.format("sr_unet14_slim.ppkt_sup_rooms"),
    "ppkt_moco_rooms": _MADE_HERE.format("sr_unet14_slim.ppkt_moco_rooms"),
    "point_contrast": "sr_unet14_slim.point_contrast",
    "both": _MADE_HERE.format("sr_unet14_slim.ppkt_voc_point_contrast"),
}
# Three times as many steps: whether so many labels only want more time.
LONG = {"scratch_long": "random", "ppkt_voc_long": "sr_unet14_slim.ppkt_voc"}
DETECTION_STARTS = ("scratch", "ppkt_voc", "ppkt_sup_rooms", "ppkt_moco_rooms", "point_contrast", "both")
STARTS_SMALL = {"scratch": "random", "flagship": "sr_unet14_small.ppkt_voc"}
STARTS_18 = {"scratch": "random", "ppkt_voc": "sr_unet18_slim.ppkt_voc"}


# A grid reports the test alone.
_QUIET = ("validate_every=null",)
# The rates that did best on the validation scenes, where they are not the recipe's.
_SCRATCH = ("optimiser.lr=0.006",)
_LONG_STEPS = "steps=900"
_TABLE_TOPS = {
    "scratch": ("optimiser.lr=0.02",),
    "point_contrast": ("optimiser.lr=0.006",),
    "ppkt_voc": ("optimiser.lr=0.006",),
}
# The flagship's own network and voxels, on which neither was chosen anew: the rates are those of the slim network.
_SMALL = (
    "backbone.name=sr_unet14_small",
    "backbone.input_spec.voxel_size=0.03",
    "backbone.input_spec.channels=[red,green,blue,has_color]",
    "backbone.input_spec.missing_color=grey",
)
_LARGER = ("backbone.name=sr_unet18_slim", "model=sr_unet18_slim.rooms_bench")


@dataclass(frozen=True)
class Part:
    """Some runs of one task: a grid, and the folder that it shares with others of the same recipe.

    Attributes:
        name: how run.py and the page call it.
        folder: below ``runs/downstream``.
        grid: see :class:`ppkt_zoo.downstream.grid.Grid`.
        data: folders below the shared one that the recipe's ``--data`` names.
    """

    name: str
    folder: str
    grid: Grid
    data: tuple[tuple[str, str], ...] = ()

    def command(self) -> str:
        """The same runs by the command of the package."""
        words = ["ppkt-zoo grid", self.grid.task, self.grid.recipe, *self.grid.overrides]
        words += [f"--init {name}={init}" for name, init in self.grid.starts.items()]
        words += [f"--only-for {name}:{one}" for name, own in self.grid.own.items() for one in own]
        words += [f"--fraction {fraction:g}" for fraction in self.grid.fractions]
        words += [f"--data {name}={Path(place).name}" for name, place in self.data]
        return " ".join([*words, f"--seeds {self.grid.seeds}", f"--out runs/downstream/{self.folder}"])

    def out(self, runs: Path) -> Path:
        """Where its runs lie."""
        return runs / self.folder


def _segmentation(name: str, starts: Sequence[str], fractions: tuple[float, ...]) -> Part:
    chosen = {start: (STARTS | LONG)[start] for start in starts}
    known = {"scratch": _SCRATCH, "scratch_long": (*_SCRATCH, _LONG_STEPS), "ppkt_voc_long": (_LONG_STEPS,)}
    own = {start: known[start] for start in chosen if start in known}
    return Part(name, "segmentation", Grid("segmentation", "rooms_bench", _QUIET, chosen, fractions, SEEDS, own))


def _detection(name: str, starts: Sequence[str], fractions: tuple[float, ...]) -> Part:
    chosen = {start: STARTS[start] for start in starts}
    return Part(name, "detection", Grid("detection", "rooms_bench", (), chosen, fractions, SEEDS))


def _table_tops(name: str, fractions: tuple[float, ...], steps: int | None = None) -> Part:
    chosen = {start: STARTS[start] for start in _TABLE_TOPS}
    short = () if steps is None else (f"steps={steps}",)
    grid = Grid("segmentation", "table_tops", short, chosen, fractions, SEEDS, _TABLE_TOPS)
    return Part(
        name, "table_tops" if steps is None else f"table_tops_{steps}", grid, (("labelled_frames", "frames/mosd"),)
    )


PARTS = (
    _segmentation("segmentation", ("scratch", "ppkt_voc", "point_contrast"), TEN_PERCENT),
    _segmentation("segmentation, starts", tuple(STARTS), TEN_PERCENT),
    _detection("detection", ("scratch", "ppkt_voc", "point_contrast"), TEN_PERCENT),
    _table_tops("table tops", ONE_TO_SIXTY_FRAMES),
    _table_tops("table tops, 30 steps", FIVE_FRAMES, steps=30),
    _table_tops("table tops, 10 steps", FIVE_FRAMES, steps=10),
    _segmentation("segmentation, labels", ("scratch", "ppkt_voc"), FRACTIONS),
    Part(
        "segmentation, larger student",
        "segmentation_18",
        Grid(
            "segmentation",
            "rooms_bench",
            (*_QUIET, *_LARGER),
            STARTS_18,
            TEN_PERCENT,
            SEEDS,
            {"scratch": _SCRATCH},
        ),
    ),
    _segmentation("segmentation, longer", tuple(LONG), ALL_LABELS),
    _detection("detection, starts", DETECTION_STARTS, TEN_PERCENT),
    _detection("detection, labels", ("scratch", "ppkt_voc"), (0.1, 1.0)),
    Part(
        "segmentation, flagship",
        "segmentation_small",
        Grid(
            "segmentation",
            "rooms_bench",
            (*_QUIET, *_SMALL, "model=sr_unet14_small.rooms_bench"),
            STARTS_SMALL,
            TEN_PERCENT,
            SEEDS,
            {"scratch": _SCRATCH},
        ),
    ),
    Part(
        "detection, flagship",
        "detection_small",
        Grid(
            "detection",
            "rooms_bench",
            (*_SMALL, "model=sr_unet14_small.rooms_votenet"),
            STARTS_SMALL,
            TEN_PERCENT,
            SEEDS,
        ),
    ),
)
