"""rooms-bench: fixed worlds to pretrain in, to train in with few labels, and to be tested in; never mixed."""

from dataclasses import dataclass
from pathlib import Path

from ppkt_zoo.errors import InputError, UnknownNameError
from ppkt_zoo.rooms.scenes import RoomScenes
from ppkt_zoo.rooms.source import RoomsFrames
from ppkt_zoo.rooms.version import VERSION

FRACTIONS: tuple[float, ...] = (0.01, 0.05, 0.1, 0.3, 1.0)
"""The shares of labelled training scenes; each smaller subset lies in the next larger one."""


@dataclass(frozen=True)
class RoomsBench:
    """One version of the benchmark.

    Attributes:
        name: ``"v1"``.
        world: version of the procedural world that it is defined on; another world would be another benchmark.
        pretrain_seed, teacher_seed, train_seed, validation_seed, test_seed: the worlds' seeds.
        pretrain_rooms, teacher_rooms, train_rooms, validation_rooms, test_rooms: rooms in each.
    """

    name: str
    world: int
    pretrain_seed: int
    teacher_seed: int
    train_seed: int
    validation_seed: int
    test_seed: int
    pretrain_rooms: int
    teacher_rooms: int
    train_rooms: int
    validation_rooms: int
    test_rooms: int

    def pretraining(self, cache: Path | str | None = None, walk: bool = False, close_ups: float = 0.0) -> RoomsFrames:
        """Unlabelled frames to pretrain on, four a room; as a walk where neighbouring views must overlap."""
        return RoomsFrames(self.pretrain_seed, self.pretrain_rooms, 4, cache=cache, walk=walk, close_ups=close_ups)

    def teacher_images(self, cache: Path | str | None = None) -> RoomsFrames:
        """Frames for those who train a 2D teacher in this world: of rooms that pretraining does not see."""
        return RoomsFrames(self.teacher_seed, self.teacher_rooms, 4, cache=cache)

    def train(self, fraction: float = 1.0, cache: Path | str | None = None) -> RoomScenes:
        """Labelled scenes to fine-tune on: the first 1, 5, 10, 30 or all 100 of every hundred.

        Raises:
            InputError: the fraction is none of ``FRACTIONS``.
        """
        if fraction not in FRACTIONS:
            known = ", ".join(f"{one:g}" for one in FRACTIONS)
            raise InputError(f"rooms-bench has the training fractions {known}, not {fraction:g}")
        return RoomScenes(self.train_seed, max(1, round(fraction * self.train_rooms)), cache)

    def validation(self, cache: Path | str | None = None) -> RoomScenes:
        """Labelled scenes to choose learning rates and the like by."""
        return RoomScenes(self.validation_seed, self.validation_rooms, cache)

    def test(self, cache: Path | str | None = None) -> RoomScenes:
        """Labelled scenes to report on."""
        return RoomScenes(self.test_seed, self.test_rooms, cache)


_VERSIONS = {
    "v1": RoomsBench(
        name="v1",
        world=3,
        pretrain_seed=41_001,
        teacher_seed=41_002,
        train_seed=41_003,
        validation_seed=41_004,
        test_seed=41_005,
        pretrain_rooms=2000,
        teacher_rooms=1000,
        train_rooms=100,
        validation_rooms=20,
        test_rooms=50,
    )
}


def rooms_bench(name: str = "v1") -> RoomsBench:
    """A version of the benchmark by name.

    Raises:
        UnknownNameError: there is no such version.
        InputError: this ppkt-zoo's procedural world is not the one that the version is defined on.
    """
    if name not in _VERSIONS:
        raise UnknownNameError(f"rooms-bench has the versions {', '.join(_VERSIONS)}, not {name!r}")
    bench = _VERSIONS[name]
    if bench.world != VERSION:
        raise InputError(
            f"rooms-bench {name} is defined on world {bench.world}, this ppkt-zoo renders world {VERSION}: its "
            "figures could not be compared; install a ppkt-zoo of that world"
        )
    return bench
