"""A page of sections in one HTML file."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

import tf_gradcraft

_TEMPLATE = Environment(
    loader=PackageLoader("tf_gradcraft.reporting", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
).get_template("page.html")


class Page:
    """A self-contained HTML page: one file, no network, light and dark, for a desktop and a phone.

    Args:
        title: Title of the page.
        lead: A sentence or two below it.

    Example:
        >>> from tf_gradcraft.reporting import paragraph
        >>> page = Page("Run sum", lead="PLE on KuaiRand")
        >>> page.add("Data", paragraph("89,478 rows"))
        >>> '<h2 id="data">Data</h2>' in page.html()
        True
    """

    def __init__(self, title: str, lead: str = "") -> None:
        self.title = title
        self.lead = lead
        self._sections: list[tuple[str, str, Markup]] = []

    def add(self, heading: str, *blocks: Markup) -> None:
        """Adds a section.

        Args:
            heading: Its heading; sections are listed by it at the top.
            *blocks: What `paragraph`, `table`, `chart`, ... returned; plain text is escaped.
        """
        name = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") or "section"
        taken = [other for other, _, _ in self._sections]
        if name in taken:
            name = f"{name}-{len(taken)}"
        self._sections.append((name, heading, Markup("").join(blocks)))

    def html(self) -> str:
        """Returns the page."""
        return _TEMPLATE.render(
            title=self.title, lead=self.lead, sections=self._sections, version=tf_gradcraft.__version__
        )

    def write(self, path: str | Path) -> Path:
        """Writes the page to a file, as UTF-8, and returns its path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.html(), encoding="utf-8")
        return path
