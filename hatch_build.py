"""Build hook: compiles the native library into the wheel where a C++ compiler is at hand, else goes on without.

A wheel that carries it is tagged ``py3-none-PLATFORM``: the library knows neither Python nor PyTorch. An editable
install gets it in place. ``PPKT_ZOO_NATIVE=0`` leaves it out (a pure wheel for any system), ``PPKT_ZOO_NATIVE=1``
demands it.
"""

import importlib.util
import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import mac_platforms

_SWITCH = "PPKT_ZOO_NATIVE"
_PLACE = "ppkt_zoo/native/lib"


class NativeBuildHook(BuildHookInterface):
    """Adds the library and its record to a wheel."""

    PLUGIN_NAME = "custom"
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a wheel is put together; ``version`` is "standard" or "editable"."""
        wanted = os.environ.get(_SWITCH, "")
        if wanted not in ("", "0", "1"):
            raise ValueError(f"{_SWITCH} is 0 (leave the native library out) or 1 (demand it), not {wanted!r}")
        if self.target_name != "wheel" or wanted == "0":
            return
        native = _load_builder(Path(self.root))
        try:
            if version == "editable":
                native.build()
                return
            self._folder = tempfile.TemporaryDirectory()
            library = native.build(Path(self._folder.name) / native.LIBRARY.name)
        except native.BuildError as error:
            if wanted == "1":
                raise
            self.app.display_warning(f"ppkt-zoo is built without its native engine and will use PyTorch: {error}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform()}"
        for path in (library, library.with_suffix(".json")):
            build_data["force_include"][str(path)] = f"{_PLACE}/{path.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called when the wheel is written."""
        if self._folder is not None:
            self._folder.cleanup()


def _platform() -> str:
    """The platform that the library was compiled for: ``linux_x86_64``, which auditwheel turns into manylinux."""
    oldest = os.environ.get("MACOSX_DEPLOYMENT_TARGET")
    if sys.platform != "darwin":
        return sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if not oldest:  # then clang compiles for the system that it runs on
        return next(mac_platforms())
    major, minor = (*map(int, oldest.split(".")), 0)[:2]
    return next(mac_platforms((major, minor if major < 11 else 0)))


def _load_builder(root: Path) -> ModuleType:
    """``ppkt_zoo.native.build`` from its file: the package's other requirements are not here yet."""
    spec = importlib.util.spec_from_file_location("ppkt_zoo_native_build", root / "ppkt_zoo" / "native" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
