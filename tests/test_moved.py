"""Modules by the places where they stood before the house was rebuilt."""

import importlib
import importlib.util
import subprocess
import sys
import warnings

import pytest

from ppkt_zoo.moved import _MODULES, _PACKAGES, new_place

OLD = sorted(
    ".".join(filter(None, ("ppkt_zoo", old, entry.partition(":")[0])))
    for (old, _), modules in _MODULES.items()
    for entry in modules.split()
)


@pytest.mark.parametrize("old", [*OLD, *(f"ppkt_zoo.{name}" for name in _PACKAGES)])
def test_every_old_place_leads_to_a_module_of_today(old: str) -> None:
    new = new_place(old)
    assert new is not None
    assert importlib.util.find_spec(new) is not None


@pytest.mark.parametrize("old", ["ppkt_zoo.points.io", "ppkt_zoo.train.pretrain", "ppkt_zoo.data.rooms.render"])
def test_an_old_place_gives_the_very_module_of_the_new_one_and_names_it(old: str) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {new_place(old)}"):
        module = importlib.import_module(old)
    assert module is sys.modules[str(new_place(old))]
    assert module.__name__ == new_place(old)
    assert module.__spec__.name == new_place(old)


def test_names_of_an_old_package_are_those_of_the_new_one() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from ppkt_zoo.data.rooms import make_room as old

    from ppkt_zoo.rooms import make_room as new

    assert old is new


def test_a_module_that_never_was_is_not_found() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for name in ("ppkt_zoo.train.trainer", "ppkt_zoo.nowhere", "ppkt_zoo.points.nothing"):
            with pytest.raises(ModuleNotFoundError):
                importlib.import_module(name)


def test_imports_of_today_ask_the_finder_for_nothing() -> None:
    code = (
        "import warnings; warnings.simplefilter('error', DeprecationWarning)\n"
        "import ppkt_zoo.points.files.cloud_files, ppkt_zoo.cli.main\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
