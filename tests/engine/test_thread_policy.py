"""How torch's threads wait: set on import before torch, told where it is too late, never against the user."""

import json
import os
import subprocess
import sys
import warnings

import pytest
import torch

from ppkt_zoo.engine import thread_policy
from ppkt_zoo.errors import ThreadWarning

NAMES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def after_import(before: str = "", **variables: str) -> dict[str, str]:
    """The variables after ``import ppkt_zoo`` in a new process."""
    code = f"{before}\nimport json, os, ppkt_zoo\nprint(json.dumps([os.environ.get(name) for name in {NAMES}]))"
    kept = {name: value for name, value in os.environ.items() if name not in NAMES}
    run = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **variables}, capture_output=True, text=True, check=True
    )
    return dict(zip(NAMES, json.loads(run.stdout), strict=True))


def test_importing_before_torch_lets_threads_sleep() -> None:
    assert after_import() == {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


def test_what_the_user_set_stays() -> None:
    for name, value in (("OMP_WAIT_POLICY", "ACTIVE"), ("KMP_BLOCKTIME", "200")):
        assert after_import(**{name: value}) == {**dict.fromkeys(NAMES), name: value}


def test_a_loaded_torch_is_left_alone() -> None:
    assert after_import("import sys; sys.modules['torch'] = sys") == dict.fromkeys(NAMES)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if torch had been imported first, on two cores with five programs."""
    monkeypatch.setattr(thread_policy, "_too_late", True)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (5.0, 5.0, 5.0))


@pytest.mark.usefixtures("late")
def test_a_busy_machine_is_warned_of_once() -> None:
    with pytest.warns(ThreadWarning, match=r"load 5\.0 on 2 cores.*import ppkt_zoo before torch"):
        thread_policy.warn_where_busy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        thread_policy.warn_where_busy()


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("reason", ["idle", "one thread", "in time"])
def test_nobody_is_warned_without_reason(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    if reason == "idle":
        monkeypatch.setattr(os, "getloadavg", lambda: (2.2, 5.0, 5.0))
    elif reason == "one thread":
        monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    else:
        monkeypatch.setattr(thread_policy, "_too_late", False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        thread_policy.warn_where_busy()
