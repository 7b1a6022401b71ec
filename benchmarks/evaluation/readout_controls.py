"""Untrained networks under the read-outs of a weight, in processes of their own: they take most of the time."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.evaluation.journal import Journal
from benchmarks.evaluation.kept import Found
from benchmarks.evaluation.material import Amount, Material
from benchmarks.evaluation.probing import LAST
from benchmarks.evaluation.read_out import of_facts, of_read_outs, short, with_statistics
from benchmarks.evaluation.readout_tasks import Search, Task, reported_tasks, scores
from benchmarks.evaluation.students import make_untrained
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.readout_spec import ReadOut
from ppkt_zoo.zoo.config import NetworkConfig
from ppkt_zoo.zoo.folder import open_weight_folder

UNTRAINED, RAW = "untrained", "colour and height"


@dataclass(frozen=True)
class Control:
    """One random network on one task.

    Attributes:
        folder: of the weight whose architecture it has.
        shared, cache, amount: of the material.
        task: its name.
        read_outs: how it is read out.
        seed: of its parameters, of the clouds of its statistics, and of the probe.
    """

    folder: Path
    shared: Path
    cache: Path
    amount: Amount
    task: str
    read_outs: tuple[ReadOut, ...]
    seed: int

    @property
    def key(self) -> str:
        """In the journal."""
        return control_key(self.task, self.read_outs, self.seed)

    def scores(self) -> dict[str, Found]:
        """Read-out → the value of its seed, and the points."""
        material = Material(self.shared, self.cache, self.amount)
        task = reported_tasks(material)[self.task]
        clouds = statistics_clouds(task, self.seed, self.amount.statistics_clouds)
        network = make_untrained(open_weight_folder(self.folder).config, self.seed, clouds)
        with flushed_denormals():
            return scores(task, of_read_outs(with_statistics(network, clouds), self.read_outs), [self.seed])


def control_key(task: str, read_outs: Iterable[ReadOut], seed: int) -> str:
    """A control's key in the journal."""
    return f"{UNTRAINED}/{task}/{'+'.join(short(one) for one in read_outs)}/{seed}"


def raw_key(task: str) -> str:
    """Key in the journal of the points' own colour and height, no network."""
    return f"raw/{task}"


def network_key(config: NetworkConfig) -> str:
    """Digits of all that decides a random network; weights of one architecture share their controls' journal."""
    decisive = config.model_dump(mode="json", include={"architecture", "arguments", "input_spec"})
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]


def take_over(journal: Journal, measured: Iterable[Mapping[str, Any]], wanted: Mapping[str, Any]) -> Any:
    """Know what was measured, maybe on another machine, beside an earlier weight of the same architecture.

    Args:
        journal: of the controls.
        measured: entries of readouts.json.
        wanted: ``network``, ``seeds``, ``world`` and ``amount``, in which an entry must agree.

    Returns:
        The machine that measured it; None where there is no such entry.
    """
    machine = None
    for entry in measured:
        if any(entry.get(name) != value for name, value in wanted.items()):
            continue
        machine = entry.get("controls_machine") or entry["machine"]
        read_outs = {one["name"]: of_facts(one) for one in entry["candidates"]}
        for task, students in entry["test"].items():
            found = students[UNTRAINED]
            several = tuple(read_outs[name] for name in found)
            for place, seed in enumerate(entry["seeds"]):
                of_seed = {name: {**one, "values": one["values"][place : place + 1]} for name, one in found.items()}
                journal.take_over(control_key(task, several, seed), of_seed)
            journal.take_over(raw_key(task), {LAST: students[RAW][RAW]})
    return machine


def statistics_clouds(task: Task, seed: int, count: int) -> list[PointCloud]:
    """Some of the clouds that a task is fitted on, whose labels are not looked at."""
    read, numbers = (
        (task.read, list(range(task.size))) if isinstance(task, Search) else (task.fit, task.frames_of(seed))
    )
    return [read(int(number))[0] for number in np.random.default_rng([seed, 53]).permutation(numbers)[:count]]


@contextmanager
def begun(controls: Sequence[Control], journal: Journal, processes: int) -> Iterator[Callable[[Control], Found]]:
    """Begin to measure what the journal lacks; gives what answers for a control, waiting for it where need be.

    Args:
        controls: all that will be asked for.
        journal: what was measured before, and where the answers go.
        processes: how many measure, with a thread each; in this one where 0.
    """
    if processes == 0:
        yield lambda control: journal.remember(control.key, control.scores)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        waiting: Mapping[str, Future[dict[str, Found]]] = {
            control.key: pool.submit(control.scores) for control in controls if control.key not in journal
        }

        def answer(control: Control) -> Found:
            future = waiting.get(control.key)
            found: Found = journal.remember(control.key, control.scores if future is None else future.result)
            return found

        yield answer
