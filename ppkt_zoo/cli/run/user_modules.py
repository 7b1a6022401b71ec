"""Modules of the user, imported by the command line so that the backbones that they register have their names."""

import hashlib
import importlib
import importlib.util
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType

from ppkt_zoo.errors import InputError

#: Paths and names of modules that every command imports, with the system's separator (``:``) between them.
VARIABLE = "PPKT_ZOO_MODULES"

_imported: list[str] = []


def modules_of_environment() -> list[str]:
    """What ``PPKT_ZOO_MODULES`` names."""
    return [part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]


def imported_modules() -> tuple[str, ...]:
    """What was imported so far, as it was given: other processes of the same run import it too."""
    return tuple(_imported)


def import_user_module(given: str) -> ModuleType:
    """Import a module of the user: **its code runs**, with all that the user may do.

    It shall register backbones by :func:`ppkt_zoo.register_backbone`, as ``examples/custom_backbone.py`` does.

    Args:
        given: path of a ``.py`` file or of a package's folder, or a name such as ``my_package.my_net``.

    Raises:
        InputError: there is no such module, or importing it failed; the message tells what it raised.
    """
    from ppkt_zoo.zoo.registry import list_backbones

    before = set(list_backbones())
    path = Path(given).expanduser()
    is_path = given.endswith(".py") or os.sep in given or path.is_dir()
    known = set(sys.modules)
    try:
        module = _from_path(path) if is_path else _from_name(given)
    except InputError:
        raise
    # Importing someone's module can raise anything; whatever it is, the module's name is what helps.
    except (Exception, SystemExit) as error:
        what = str(error) or "no message"
        raise InputError(
            f"--module {given!r} cannot be imported ({type(error).__name__}: {what}): mend it, and see where by "
            f"'python {given if is_path else f'-m {given}'}'"
        ) from error
    if given not in _imported:
        _imported.append(given)
    if module.__name__ not in known and set(list_backbones()) == before:
        warnings.warn(f"--module {given} registered no backbone: call ppkt_zoo.register_backbone in it", stacklevel=2)
    return module


def _from_name(name: str) -> ModuleType:
    # A module that lies where the user stands is found, as `python -m` finds it.
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise InputError(f"--module {name!r}: no such module is installed, and no such file is there") from None
        raise
    except TypeError as error:  # '..name'
        raise InputError(f"--module {name!r} is no name of a module: {error}") from None


def _from_path(path: Path) -> ModuleType:
    file = path / "__init__.py" if path.is_dir() else path
    if not file.is_file():
        missing = "holds no __init__.py" if path.is_dir() else "is not there"
        raise InputError(f"--module {path} {missing}: give a .py file, a package's folder, or a module's name")
    file = file.resolve()
    name = file.parent.name if path.is_dir() else file.stem
    loaded = sys.modules.get(name)
    if loaded is not None:
        if getattr(loaded, "__file__", None) == str(file):
            return loaded
        # Another module has the name.
        name = f"{name}_{hashlib.sha256(str(file).encode(errors='surrogateescape')).hexdigest()[:8]}"
        if name in sys.modules:
            return sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(file.parent)] if path.is_dir() else None
    )
    if spec is None or spec.loader is None:
        raise InputError(f"--module {path} is no Python file: its name must end in .py")
    # Its neighbours can be imported by it; at the end, so that none of them stands in front of a library.
    neighbours = str(file.parent.parent if path.is_dir() else file.parent)
    if neighbours not in sys.path:
        sys.path.append(neighbours)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module
