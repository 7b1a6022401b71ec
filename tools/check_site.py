"""Check a built site as a browser without a network meets it: links, anchors, pictures, and nothing from elsewhere."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: What a page loads by itself; a link is only followed by a click and may lead anywhere.
_LOADED = {("script", "src"), ("img", "src"), ("source", "srcset"), ("iframe", "src"), ("video", "src")}
_LOADED_LINKS = {"stylesheet", "icon", "preload", "modulepreload"}


class _Page(HTMLParser):
    """The ids of a page, and what it points at."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.add(given["id"])
        if tag == "a" and "name" in given:
            self.ids.add(given["name"])
        for name in ("href", "src", "srcset"):
            if name in given:
                loaded = (tag, name) in _LOADED or (tag == "link" and given.get("rel", "") in _LOADED_LINKS)
                self.links.append((given[name], loaded))


def faults(site: Path) -> list[str]:
    """One line for each link, picture or anchor of the site that is not there, and for each thing from elsewhere."""
    pages = {file: _read(file) for file in sorted(site.rglob("*.html"))}
    if not pages:
        return [f"{site} has no page"]
    return [
        f"{file.relative_to(site)}: {fault}"
        for file, page in pages.items()
        for link, loaded in page.links
        if (fault := _fault(link, loaded, file, site, pages))
    ]


def _read(file: Path) -> _Page:
    page = _Page()
    page.feed(file.read_text(encoding="utf-8"))
    return page


def _fault(link: str, loaded: bool, file: Path, site: Path, pages: dict[Path, _Page]) -> str | None:
    parts = urlsplit(link)
    if parts.scheme in ("data", "javascript", "mailto"):
        return None
    if parts.scheme or parts.netloc:
        return f"loads {link} from elsewhere" if loaded else None
    if parts.path.startswith("/"):
        # Only the page for wrong addresses knows the root of its server.
        return None if file.name == "404.html" else f"{link} is not relative"
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(site.resolve()) or not target.exists():
        return f"{link} is not there"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].ids:
        return f"{link}: no such heading"
    return None
