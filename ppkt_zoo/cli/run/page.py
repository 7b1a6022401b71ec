"""``--html`` of the commands that look at a cloud, and what ``view`` shares with it: from what was found to a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.targets import check_file_target

if TYPE_CHECKING:
    from ppkt_zoo.cli.run.source import Points
    from ppkt_zoo.visualization.page import Page

#: Endings of pages.
HTML = (".html", ".htm")


def check_html(path: Path | None, option: str = "--html") -> None:
    """Raise InputError, before any work, where a page is asked for that is no .html, or cannot be written."""
    if path is None:
        return
    if path.suffix.lower() not in HTML:
        raise InputError(f"pages are written as .html: give {option} a name that ends so, not {path.name!r}")
    check_file_target(path, InputError, option)


def write_page(path: Path, title: str, cloud: "Points", shown: dict[str, Any], **limits: Any) -> "Page":
    """Write the page of a cloud.

    Args:
        path: an .html.
        title: heading, such as the source's name.
        cloud: the points; what is shown with them is in their coordinates.
        shown: further arguments of :func:`ppkt_zoo.view`, such as ``features`` or ``boxes``.
        limits: ``points`` and ``megabytes`` of :func:`ppkt_zoo.view`.

    Raises:
        InputError: something does not fit, or the file cannot be written.
    """
    # Here: most runs write no page.
    from ppkt_zoo.visualization.page import Content, make_page

    notes = (f"Source: {cloud.told}.", *shown.pop("notes", ()))
    content = Content.of(cloud.xyz, cloud.rgb, title=title, seen_from=cloud.sensor, notes=notes, **shown)
    page = make_page(content, **limits)
    page.save(path)
    return page


def told_of(page: "Page") -> str:
    """A few words on a page for the line about its step."""
    return f"{len(page.html) / 1e6:.1f} MB; {page.notes[0].rstrip('.')}; opens offline in any browser"
