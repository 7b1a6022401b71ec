"""The documentation site: what is laid out for it, what is checked of it, and how versions lie beside each other."""

import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ppkt_zoo
from tests.support.chromium import Tab, need_chromium
from tools import build_site, check_site, publish_site

ROOT = Path(__file__).resolve().parents[2]
_REASON = 'the site is built by Zensical and mkdocstrings: pip install "ppkt-zoo[docs]"'
docstring_roles = pytest.importorskip("tools.docstring_roles", reason=_REASON)
pytest.importorskip("zensical", reason=_REASON)


def _navigation(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        for value in part.values():
            yield from _navigation(value)
    else:
        for value in part:
            yield from _navigation(value)


def test_every_page_is_in_the_navigation_once() -> None:
    settings = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    named = list(_navigation(settings["project"]["nav"]))
    pages = [place for place in build_site.site_files().values() if place.endswith(".md")]
    assert sorted(named) == sorted(pages)


def test_every_public_name_is_in_the_reference_once() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^<!-- api: ppkt_zoo\.(\w+) -->$", page, re.MULTILINE)
    assert sorted(shown) == sorted(ppkt_zoo.__all__)
    for name in ppkt_zoo.__all__:
        assert f"`{name}`" in page, f"GitHub shows no {name} on the page"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two pages, a picture and a file that is no page."""
    for name, text in {
        "docs/index.md": "# Start\n\n[Further](deep/page.md#far), [code](../tool.py), [root](../README.md)\n",
        "docs/deep/page.md": "# Page\n\n![a](../a.svg)\n\n## Far\n\nA colourful pineapple.\n",
        "docs/a.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
        "tool.py": "x = 1\n",
        "README.md": "# Read me\n",
        "zensical.toml": (ROOT / "zensical.toml").read_text(encoding="utf-8"),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    settings = tmp_path / "zensical.toml"
    text = settings.read_text(encoding="utf-8")
    text = re.sub(r"^nav = \[.*?^\]$", 'nav = ["index.md", "deep/page.md"]', text, flags=re.MULTILINE | re.DOTALL)
    settings.write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "docs" / "assets", tmp_path / "docs" / "assets")
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "docstring_roles.py", tmp_path / "tools")
    return tmp_path


def test_links_that_leave_the_site_lead_to_the_repository(repository: Path) -> None:
    build_site.lay_out("v1.2.3", repository)
    page = (repository / build_site.STAGE / "index.md").read_text(encoding="utf-8")
    assert "[Further](deep/page.md#far)" in page
    assert "[code](https://github.com/ppkt-zoo/ppkt-zoo/blob/v1.2.3/tool.py)" in page
    assert "[root](index.md)" in page


def test_a_link_to_nothing_stops_the_build(repository: Path) -> None:
    (repository / "docs" / "index.md").write_text("# Start\n\n[x](../nothing.py)\n", encoding="utf-8")
    with pytest.raises(build_site.SiteError, match=r"docs/index\.md: \.\./nothing\.py is not in the repository"):
        build_site.lay_out("main", repository)


def test_code_blocks_stay_as_they_are() -> None:
    text = "[a](b.md)\n\n```text\n[a](b.md)\n<!-- api: x.y -->\n```\n\n<!-- api: x.y -->\n"
    changed = build_site.for_the_site(text, lambda link: f"<{link}>")
    assert changed == "[a](<b.md>)\n\n```text\n[a](b.md)\n<!-- api: x.y -->\n```\n\n::: x.y\n"


def test_a_missing_heading_stops_the_build(repository: Path) -> None:
    page = repository / "docs" / "index.md"
    page.write_text("# Start\n\n[x](deep/page.md#near)\n", encoding="utf-8")
    with pytest.raises(build_site.SiteError, match=r"(?s)anchor does not exist.*mend the warnings above"):
        build_site.build(root=repository)


def test_a_docstring_that_is_not_there_stops_the_build(repository: Path) -> None:
    (repository / "docs" / "index.md").write_text("# Start\n\n<!-- api: ppkt_zoo.nothing -->\n", encoding="utf-8")
    with pytest.raises(build_site.SiteError, match="nothing"):
        build_site.build(root=repository)


def test_a_site_without_faults_is_built_and_searched_from_the_disk(repository: Path) -> None:
    build_site.build(root=repository)
    start = repository / build_site.HTML / "index.html"
    assert "versions" not in re.findall(r'<script id="__config".*?</script>', start.read_text("utf-8"), re.DOTALL)[0]
    need_chromium()
    with Tab(repository, (1200, 800)) as tab:
        tab.open(start.as_uri(), state=None)
        tab.until(lambda: _search_is_open(tab), "Ctrl+K opens the search")
        tab.call("Input.insertText", text="pineapple")
        tab.wait("document.activeElement?.shadowRoot?.textContent.includes('1 result')")
        faults, asked = tab.complaints, tab.requests
    assert faults == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []


def _search_is_open(tab: Tab) -> bool:
    """Whether the search has the focus; if not, Ctrl+K is pressed, which a page hears some time after it is loaded."""
    if tab.run("document.activeElement?.shadowRoot?.activeElement?.tagName === 'INPUT'"):
        return True
    tab.call("Input.dispatchKeyEvent", type="keyDown", key="k", code="KeyK", modifiers=2)
    tab.frame()
    return False


def test_a_versioned_site_asks_for_its_versions(repository: Path) -> None:
    build_site.build("v0.1.0", versioned=True, root=repository)
    assert '"provider": "mike"' in (repository / build_site.HTML / "index.html").read_text("utf-8").replace(':"', ': "')


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('<a href="b.html">', "b.html is not there"),
        ('<a href="#x">', "#x: no such heading"),
        ('<a href="a.html#y"><p id="x">', "a.html#y: no such heading"),
        ('<img src="b.png">', "b.png is not there"),
        ('<a href="../../c.html">', "../../c.html is not there"),
        ('<a href="/a.html">', "/a.html is not relative"),
        ('<script src="https://example.org/x.js">', "loads https://example.org/x.js from elsewhere"),
        ('<link rel="stylesheet" href="https://example.org/x.css">', "loads https://example.org/x.css from elsewhere"),
    ],
)
def test_faults_of_a_page_are_found(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "c.html").write_text("outside of the site")
    (tmp_path / "site" / "a.html").write_text(text)
    assert check_site.faults(tmp_path / "site") == [f"a.html: {fault}"]


def test_what_a_page_may_point_at(tmp_path: Path) -> None:
    text = '<p id="x"></p><a href="#x"><a href="a.html#x"><a href="."><a href="https://example.org"><img src="data:,">'
    (tmp_path / "a.html").write_text(text)
    (tmp_path / "index.html").write_text("")
    assert check_site.faults(tmp_path) == []
    assert check_site.faults(tmp_path / "empty") == [f"{tmp_path / 'empty'} has no page"]


def test_roles_of_docstrings_become_code() -> None:
    told = "See :func:`ppkt_zoo.load_backbone` and :class:`~a.b.Cloud`, ``x``."
    assert docstring_roles.as_markdown(told) == "See `ppkt_zoo.load_backbone` and `Cloud`, ``x``."


def test_versions_lie_beside_each_other(tmp_path: Path) -> None:
    site, pages = tmp_path / "site", tmp_path / "pages"
    site.mkdir()
    pages.mkdir()
    (site / "index.html").write_text("one")
    publish_site.publish(site, pages, "0.9", latest=True)
    (site / "index.html").write_text("two")
    publish_site.publish(site, pages, "0.10", latest=True)
    versions = publish_site.publish(site, pages, "dev", latest=False)
    assert [(one["version"], one["aliases"]) for one in versions] == [("dev", []), ("0.10", ["latest"]), ("0.9", [])]
    assert (pages / "0.9" / "index.html").read_text() == "one"
    assert 'url=0.10/index.html"' in (pages / "index.html").read_text()
    again = publish_site.publish(site, pages, "0.10", latest=False)
    assert again == versions
    with pytest.raises(SystemExit, match="is no version of the documentation"):
        publish_site.publish(site, pages, "../0.1", latest=False)
    with pytest.raises(SystemExit, match="is no built site"):
        publish_site.publish(tmp_path, pages, "0.11", latest=False)
