"""Loading reads, hashes and parses each thing once."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ppkt_zoo
from ppkt_zoo.zoo import load, tensors
from ppkt_zoo.zoo.load import open_weight, verify
from ppkt_zoo.zoo.manifest import WeightSpec
from tests.support.hub_server import HubServer
from tests.zoo.fine_tuned import TASKS
from tests.zoo.tiny_weight import REPO, REVISION

# What the audit hook counts, which Python keeps for the rest of the process.
_opened: Counter[str] = Counter()


def _count_opening(event: str, given: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(given[0], str):
        _opened[given[0].rpartition("/")[2]] += 1


sys.addaudithook(_count_opening)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names that were parsed; what was opened and hashed is counted too."""
    names: list[str] = []
    parse, digest, digest_file = load.parse_name, tensors.sha256_of, tensors.sha256_of_file

    def parse_and_count(name: str) -> Any:
        names.append(name)
        return parse(name)

    def hash_and_count(content: bytes) -> str:
        _opened["hashed"] += 1
        return digest(content)

    def hash_file_and_count(*given: Any) -> str:
        _opened["hashed"] += 1
        return digest_file(*given)

    monkeypatch.setattr(load, "parse_name", parse_and_count)
    monkeypatch.setattr(tensors, "sha256_of", hash_and_count)
    monkeypatch.setattr(tensors, "sha256_of_file", hash_file_and_count)
    return names


def counted(run: Callable[[], object], files: int) -> Counter[str]:
    """What is opened meanwhile, each file of the weight once at most, and no more hashed than there are files."""
    _opened.clear()
    run()
    found = Counter(_opened)
    assert found["hashed"] <= files
    for name in ("model.safetensors", "config.json", "golden.safetensors", "record.json"):
        assert found[name] == 1, (name, found)
    assert max(found[name] for name in ("projection.safetensors", "head.safetensors", "detector.safetensors")) <= 1
    return found


def test_a_folder_is_read_once(folder: Path, parsed: list[str]) -> None:
    name = f"local-dir:{folder}"
    for run in (
        lambda: ppkt_zoo.load_backbone(name),
        lambda: ppkt_zoo.load_projection(name),
        lambda: verify(name),
    ):
        counted(run, 4)
        assert parsed.pop() == name
        assert not parsed
    counted(lambda: verify(folder), 4)
    counted(lambda: ppkt_zoo.load_backbone(open_weight(folder, hold=True)), 4)
    assert not parsed


def test_a_listed_weight_is_read_once(listed: WeightSpec, parsed: list[str]) -> None:
    for run in (lambda: ppkt_zoo.load_backbone("tiny_net.test"), lambda: verify("tiny_net.test")):
        counted(run, len(listed.files))
        assert parsed.pop() == "tiny_net.test"
        assert not parsed


def test_what_the_hubs_cache_has_is_read_once(hub: HubServer, tmp_path: Path, parsed: list[str]) -> None:
    name, cache = f"hf-hub:{REPO}@{REVISION}", tmp_path / "cache"
    ppkt_zoo.load_backbone(name, cache_dir=cache)
    parsed.clear()
    for run in (lambda: ppkt_zoo.load_backbone(name, cache_dir=cache), lambda: verify(name, cache_dir=cache)):
        # The hash of config.json is written down nowhere; it is noted with its bytes.
        counted(run, 5)
        assert parsed.pop() == name
        assert not parsed


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_fine_tuned_weight_is_read_once(tmp_path: Path, parsed: list[str], task: str) -> None:
    make, tensors_file, _ = TASKS[task]
    path = make(tmp_path / "net").path
    loader = {"segmentation": ppkt_zoo.load_segmentation, "detection": ppkt_zoo.load_detector}[task]
    for run in (lambda: loader(path), lambda: loader(f"local-dir:{path}"), lambda: verify(path)):
        assert counted(run, 5)[tensors_file] == 1


def test_an_opened_weight_loads_with_the_rules_of_its_name(folder: Path) -> None:
    opened = open_weight(folder)
    assert ppkt_zoo.load_backbone(opened, weights=None).level_channels == opened.config.levels
    with pytest.raises(ppkt_zoo.PPKTZooError, match=r"tiny_net\.test names its weight already"):
        ppkt_zoo.load_backbone(opened, weights="test")
    with pytest.raises(ppkt_zoo.PPKTZooError, match=r"tiny_net\.test brings its own input_spec"):
        ppkt_zoo.load_backbone(opened, width=3)
    for name in opened.config.files:
        (folder / name).unlink()
    with pytest.raises(ppkt_zoo.PPKTZooError, match="is missing"):
        ppkt_zoo.load_backbone(opened)
