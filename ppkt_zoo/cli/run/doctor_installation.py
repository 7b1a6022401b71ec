"""What is installed here, what of it works, and how fast: every finding within a few seconds, none by waiting long."""

import os
import platform
import re
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import torch

import ppkt_zoo
from ppkt_zoo.cli.answers.doctor import Diagnosis, EngineTime, ExtraState, Installation
from ppkt_zoo.data.examine.finding import Finding, fine, problem, remark
from ppkt_zoo.engine.machine import versions
from ppkt_zoo.engine.thread_policy import usable_cores
from ppkt_zoo.errors import EngineError, PPKTZooError
from ppkt_zoo.files.fetching import answers_within
from ppkt_zoo.files.reading import default_cache
from ppkt_zoo.files.text import first_few, without_secrets
from ppkt_zoo.native.library import SWITCH, describe
from ppkt_zoo.sparse import SparseTensor, SubmanifoldConv3d
from ppkt_zoo.sparse.engines.select import ENGINES, get_engine
from ppkt_zoo.zoo.hub import hub_endpoint
from ppkt_zoo.zoo.load import open_weight
from ppkt_zoo.zoo.local_cache import list_kept
from ppkt_zoo.zoo.manifest import BundledSource, load_manifest
from ppkt_zoo.zoo.mirror import mirror_address

# Extras for those who work on ppkt-zoo itself.
_OF_DEVELOPERS = ("bench", "docs", "test")
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w.-]+)["']""")
_DISTRIBUTION = re.compile(r"^[\w.-]+")
_HUB = "https://huggingface.co"
_SECONDS_FOR_HUB = 1.5
# A surface of so many voxels on a side, and channels: a layer of a room's third level.
_SIDE, _CHANNELS = 100, 32
_SECONDS_AN_ENGINE = 0.8
_MOST_RUNS = 50
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_LITTLE_MEMORY = 4e9
_CPU, _CUDA = "cpu", "cuda"


def examine_installation() -> Diagnosis:
    """Look at all of it."""
    engines = _engines()
    extras = _extras()
    cache, size, cached = _cache()
    memory = _memory()
    gpus = tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    findings = [
        *_versions(gpus),
        *_told_engines(engines),
        *_machine(memory),
        *_told_extras(extras),
        cached,
        *_network(),
        *_weights(),
    ]
    installation = Installation(
        ppkt_zoo=ppkt_zoo.__version__,
        python=platform.python_version(),
        torch=str(torch.__version__),
        cuda=torch.version.cuda,
        gpus=gpus,
        cores=usable_cores(),
        threads=torch.get_num_threads(),
        memory_bytes=memory,
        engines=engines,
        extras=extras,
        cache=cache,
        cache_bytes=size,
    )
    return Diagnosis(findings=tuple(findings), installation=installation, source=None)


def _versions(gpus: tuple[str, ...]) -> list[Finding]:
    system = f"{platform.system()} {platform.machine()}"
    here = Path(ppkt_zoo.__file__).parent
    found = [
        fine("ppkt-zoo", f"{ppkt_zoo.__version__}, in {here}"),
        fine("python", f"{platform.python_version()} on {system}, {sys.executable}"),
    ]
    if gpus:
        found.append(fine("torch", f"{torch.__version__}, CUDA {torch.version.cuda}: {', '.join(gpus)}"))
    elif torch.version.cuda is not None:
        words = f"{torch.__version__} is built for CUDA {torch.version.cuda}, and finds no GPU; it computes on the CPU"
        found.append(fine("torch", words))
    else:
        found.append(fine("torch", f"{torch.__version__}, for the CPU"))
    return found


def _engines() -> tuple[EngineTime, ...]:
    devices = [_CPU, *([_CUDA] if torch.cuda.is_available() else [])]
    found = []
    for device in devices:
        picked = get_engine("auto", device).name
        names = (
            ("native", "torch") if device == _CPU else tuple(name for name in ENGINES if name not in ("auto", "native"))
        )
        for name in names:
            milliseconds, reason = _timed(name, device)
            automatic = name == picked
            found.append(
                EngineTime(name=name, device=device, milliseconds=milliseconds, reason=reason, automatic=automatic)
            )
    return tuple(found)


def _timed(name: str, device: str) -> tuple[float | None, str | None]:
    """The median time of a layer in milliseconds, or why there is none."""
    side = torch.arange(_SIDE)
    x, y = torch.meshgrid(side, side, indexing="ij")
    place = torch.stack([torch.zeros_like(x), x, y, (x + y) // 10], dim=-1).reshape(-1, 4).int()
    draw = torch.Generator().manual_seed(0)
    try:
        get_engine(name, device)
        tensor = SparseTensor.create(
            place.to(device), torch.randn(len(place), _CHANNELS, generator=draw).to(device), name
        )
        layer = SubmanifoldConv3d(_CHANNELS, _CHANNELS, kernel_size=3).to(device)
        seconds: list[float] = []
        with torch.inference_mode():
            layer(tensor)  # the kernel map is built once for all layers of a level
            began = time.perf_counter()
            while len(seconds) < _MOST_RUNS and time.perf_counter() - began < _SECONDS_AN_ENGINE:
                start = time.perf_counter()
                layer(tensor)
                if device == _CUDA:
                    torch.cuda.synchronize()
                seconds.append(time.perf_counter() - start)
    except EngineError as error:
        return None, str(error)
    return 1000 * sorted(seconds)[len(seconds) // 2], None


def _told_engines(engines: tuple[EngineTime, ...]) -> list[Finding]:
    found = []
    for device in dict.fromkeys(one.device for one in engines):
        here = [one for one in engines if one.device == device]
        picked = next((one for one in here if one.automatic), here[0])
        told = ", ".join(f"{one.name} {one.milliseconds:.1f} ms" for one in here if one.milliseconds is not None)
        why = f"auto takes {picked.name}"
        if device == _CPU:
            why += f" ({describe().partition(', ')[2]})" if picked.name == "native" else ""
        words = f"{told} for one layer of {_SIDE**2:,} voxels and {_CHANNELS} channels; {why}"
        lacking = [one for one in here if one.reason is not None]
        if device == _CPU and picked.name != "native":
            reason = lacking[0].reason if lacking else describe()
            mend = (
                None
                if os.environ.get(SWITCH) == "torch"
                else "features are the same, several times slower; see the reason"
            )
            found.append(remark("engine, cpu", f"{words}: {reason}", mend))
        else:
            found.append(fine(f"engine, {device}", words))
            found += [fine(f"engine, {device}", f"{one.name} is not used: {one.reason}") for one in lacking]
    spconv = versions(("spconv-cu120", "spconv-cu126", "spconv-triton"))
    if spconv and not torch.cuda.is_available():
        names = ", ".join(f"{name} {number}" for name, number in spconv.items())
        found.append(fine("spconv", f"{names}; used on a GPU alone"))
    return found


def _machine(memory: int | None) -> list[Finding]:
    cores, threads = usable_cores(), torch.get_num_threads()
    named = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY") if name in os.environ}
    told = "".join(f", {name}={value}" for name, value in named.items())
    found = [fine("threads", f"{threads} threads on {cores} cores{told}")]
    if threads > cores:
        found = [
            remark(
                "threads",
                f"{threads} threads on {cores} usable cores{told}",
                f"set OMP_NUM_THREADS={cores}: it is faster",
            )
        ]
    if memory is not None:
        words = f"{memory / 1e9:.1f} GB are free"
        mend = "encode large clouds with --tile auto"
        found.append(remark("memory", words, mend) if memory < _LITTLE_MEMORY else fine("memory", words))
    return found


def _memory() -> int | None:
    """Bytes that a program may still take; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def _extras() -> tuple[ExtraState, ...]:
    """The extras that the installed package declares, and which of their libraries are not there."""
    try:
        lines = requires("ppkt-zoo") or []
    except PackageNotFoundError:  # run from a copy that was never installed
        lines = []
    wanted: dict[str, list[str]] = {}
    for line in lines:
        extra, name = _EXTRA.search(line), _DISTRIBUTION.match(line)
        if extra is not None and name is not None and extra[1] not in _OF_DEVELOPERS:
            wanted.setdefault(extra[1], []).append(name[0])
    return tuple(
        ExtraState(name=extra, missing=tuple(sorted(set(names) - set(versions(names)))))
        for extra, names in sorted(wanted.items())
    )


def _told_extras(extras: tuple[ExtraState, ...]) -> list[Finding]:
    there = [one.name for one in extras if not one.missing]
    lacking = [one.name for one in extras if one.missing]
    found = [fine("extras", f"installed: {', '.join(there) or 'none'}")]
    if lacking:
        # Nothing is wrong: a plain install is meant to be light.
        found.append(
            fine("extras", f'not installed: {", ".join(lacking)}; pip install "ppkt-zoo[{",".join(lacking)}]"')
        )
    return found


def _cache() -> tuple[Path, int, Finding]:
    place = default_cache()
    kept = list_kept()
    size = sum(one.size for one in kept)
    told = f"{place}; {len(kept)} things of {size / 1e6:,.0f} MB with those of the Hub (`ppkt-zoo cache`)"
    above = place
    while not above.exists() and above != above.parent:
        above = above.parent
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        mend = "set PPKT_ZOO_CACHE to a folder that you may write"
        return place, size, problem("cache", f"{place} cannot be written ({error.strerror or error})", mend)
    return place, size, fine("cache", told)


def _network() -> list[Finding]:
    found = []
    if proxies := [name for name in _PROXIES if os.environ.get(name)]:
        found.append(fine("proxy", f"{proxies[0]}={without_secrets(os.environ[proxies[0]])}"))
    if mirror := mirror_address():
        found.append(fine("mirror", f"PPKT_ZOO_MIRROR={without_secrets(mirror)} is used in place of the Hub"))
    address = hub_endpoint() or _HUB
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return [
            *found,
            fine("hub", "HF_HUB_OFFLINE is set: nothing is asked of the Hub; bundled weights need no network"),
        ]
    reason = answers_within(address, _SECONDS_FOR_HUB)
    if reason is None:
        return [*found, fine("hub", f"{without_secrets(address)} answers")]
    words = f"{without_secrets(address)} cannot be reached ({reason}): offline, bundled weights work all the same"
    return [
        *found,
        remark("hub", words, "for other weights: `ppkt-zoo fetch` on a machine with a network, and a mirror"),
    ]


def _weights() -> list[Finding]:
    sound, damaged = [], []
    for spec in load_manifest().weights:
        if isinstance(spec.source, BundledSource):
            try:
                open_weight(spec.name).check()
            except PPKTZooError as error:
                damaged.append(problem("weights", str(error), "install ppkt-zoo again"))
            else:
                sound.append(spec.name)
    if not sound and not damaged:
        return [
            remark("weights", "none is bundled with this installation", "`ppkt-zoo list` shows those that there are")
        ]
    words = f"{len(sound)} bundled, all files as recorded ({first_few(sound, 2, counted=True)})"
    return [*damaged, *([fine("weights", words)] if sound else [])]
