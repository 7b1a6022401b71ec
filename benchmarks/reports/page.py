"""Renders one page from its JSON and its template, and finds what is out of date."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.reports.figures import interval, signed, table
from benchmarks.reports.goals import goal_rows
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.writing import write_json, write_whole

Results = Mapping[str, Any]
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)
_TEMPLATES.globals |= {"table": table, "goal_rows": goal_rows}
_TEMPLATES.filters |= {"interval": interval, "signed": signed}


def machine_line(result: Results) -> str:
    """The machine of a result, in a few words."""
    here = result["machine"]
    load = here.get("load", here.get("load_before"))
    return f"{here['processor']}, {here['cores']} cores, load average {load:g} before the measurement"


def render(template: str, **given: Any) -> str:
    """A template's text; a name that it has and is not given is an error."""
    return _TEMPLATES.get_template(template).render(**given)


_TEMPLATES.globals |= {"machine_line": machine_line}


@dataclass(frozen=True)
class Page:
    """A page in docs/results/.

    Attributes:
        name: of its JSON, its template and its Markdown file.
        verdicts: what the figures allow to say; it stands in the JSON beside them.
        rows: figures and verdicts as the rows of the page's tables, by the names that the template has for them.
    """

    name: str
    verdicts: Callable[[Results], dict[str, Any]]
    rows: Callable[[Results], dict[str, Any]]

    def text(self, results: Results) -> str:
        """The page as Markdown."""
        return render(f"{self.name}.md.j2", results=results, verdicts=results["verdicts"], **self.rows(results))

    def write(self, results: dict[str, Any], folder: Path) -> Path:
        """Judge the figures, and write JSON and page; the page's file."""
        results["verdicts"] = self.verdicts(results)
        write_json(folder / f"{self.name}.json", results, InputError)
        file = folder / f"{self.name}.md"
        write_whole(file, self.text(results), InputError)
        return file

    def read(self, folder: Path) -> dict[str, Any]:
        """The page's JSON; empty where there is none yet."""
        file = folder / f"{self.name}.json"
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return found

    def out_of_date(self, folder: Path) -> list[str]:
        """What differs from what `write` would write, as sentences."""
        results, file = self.read(folder), folder / f"{self.name}.md"
        if results.get("verdicts") != json.loads(json.dumps(self.verdicts(results))):
            return [f"{self.name}.json has other verdicts than its figures give"]
        same = file.exists() and file.read_text(encoding="utf-8") == self.text(results)
        return [] if same else [f"{file.name} is not what its JSON and template give"]
