"""What is handed out as source holds all that its own tests read."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# hatchling adds these by itself.
_ALWAYS = {"pyproject.toml", "README.md", "LICENSE"}
_READ = re.compile(r"""(?:ROOT|parents\[[12]\]) / "([\w.]+)"(?! / "shared")""")


def test_every_file_that_a_test_reads_is_in_the_source_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = {one.strip("/") for one in project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]}
    read = {name for file in (ROOT / "tests").rglob("*.py") for name in _READ.findall(file.read_text(encoding="utf-8"))}
    # Of a folder beside the tests (tests/fixtures), and of the material beside the checkout.
    top = {name for name in read if (ROOT / name).exists()}
    assert {"tools", "recipes", "examples"} <= top, "the pattern finds what tests read"
    assert top - included - _ALWAYS - {"CHANGELOG.md", "SECURITY.md"} == set()
