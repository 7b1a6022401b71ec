"""What stands in two places of the project is the same in both: versions, commands, supported systems."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

import ppkt_zoo

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = ROOT / ".github" / "workflows"


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((WORKFLOWS / name).read_text(encoding="utf-8"))
    return found


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["version"] == ppkt_zoo.__version__ == citation["version"]
    dated = rf"^## \[{re.escape(ppkt_zoo.__version__)}\] - {citation['date-released']}$"
    assert re.search(dated, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_every_extra_is_explained() -> None:
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE)) >= set(PROJECT["optional-dependencies"])


def test_an_extra_that_a_message_names_exists() -> None:
    named = {
        extra
        for file in (ROOT / "ppkt_zoo").rglob("*.py")
        for extra in re.findall(r"need\(\s*[^,()]+,\s*\"([\w-]+)\"|ppkt-zoo\[([\w-]+)\]", file.read_text("utf-8"))
        for extra in extra
        if extra
    }
    assert named
    assert named <= set(PROJECT["optional-dependencies"])


def test_python_versions_are_the_same_everywhere() -> None:
    tested = workflow("ci.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"]
    claimed = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", one)]
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert tested == claimed == re.findall(r"^\| (3\.\d+) \|", page, re.MULTILINE)
    assert PROJECT["requires-python"] == f">={tested[0]}"


def test_ci_and_workflows_call_the_same_commands() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    here = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    there = "\n".join(
        step.get("run", "") for job in workflow("ci.yml")["jobs"].values() for step in job.get("steps", ())
    )
    called = {name for line in re.findall(r"^make (.+)$", f"{here}\n{there}", re.MULTILINE) for name in line.split()}
    assert called <= targets
    assert {"lint", "types", "plain"} <= {
        name for line in re.findall(r"^make (.+)$", here, re.MULTILINE) for name in line.split()
    }
    for command in ("make lint", "make types", "tools/check_plain_install.py", "pytest", ". && ppkt-zoo demo"):
        assert command in there
    assert re.search(r"^pytest", here, re.MULTILINE)


def test_a_release_is_tested_first_and_needs_no_token() -> None:
    jobs = workflow("release.yml")["jobs"]
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"
    assert (jobs["build"]["needs"], jobs["publish"]["needs"]) == ("test", "build")
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in (WORKFLOWS / "release.yml").read_text(encoding="utf-8")
