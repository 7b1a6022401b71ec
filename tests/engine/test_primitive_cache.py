"""Processes that encode many clouds keep little code of oneDNN; what the user has set stays."""

import os

import pytest

from ppkt_zoo.engine.primitive_cache import keep_few_primitives

VARIABLE = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"


def test_a_small_cache_is_asked_for_unless_the_user_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    keep_few_primitives()
    assert 16 <= int(os.environ[VARIABLE]) < 1024
    monkeypatch.setenv(VARIABLE, "1024")
    keep_few_primitives()
    assert os.environ[VARIABLE] == "1024"
