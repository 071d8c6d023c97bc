"""Pieces of a page: text, tables and alerts as safe HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

_ENVIRONMENT = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
_TABLE = _ENVIRONMENT.from_string(
    """<div class="scroll" role="group" aria-label="{{ caption }}" tabindex="0">
<table><caption>{{ caption }}</caption>
<thead><tr>{% for column in columns %}<th scope="col">{{ column }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr{% if loop.index0 in strong %} class="strong"{% endif %}><th scope="row">{{ row[0] }}</th>
{%- for cell in row[1:] %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
"""
)
_LISTING = _ENVIRONMENT.from_string(
    "<dl>{% for name, value in entries %}<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}</dl>\n"
)


def paragraph(text: str) -> Markup:
    r"""Returns a paragraph; `text` is escaped unless it is `markupsafe.Markup`.

    Example:
        >>> paragraph("a < b")
        Markup('<p>a &lt; b</p>\n')
    """
    return Markup("<p>{}</p>\n").format(text)


def alert(text: str) -> Markup:
    r"""Returns a paragraph that stands out: something to look at.

    Example:
        >>> alert("check the labels of like")
        Markup('<p class="alert"><strong>Look at this:</strong> check the labels of like</p>\n')
    """
    return Markup('<p class="alert"><strong>Look at this:</strong> {}</p>\n').format(text)


def alerts(texts: Iterable[str]) -> Markup:
    r"""Returns several things to look at as one list that stands out; nothing if there is none.

    Example:
        >>> alerts(["check the labels of like"]).count("<li>")
        1
        >>> alerts([])
        Markup('')
    """
    texts = list(texts)
    if not texts:
        return Markup("")
    return Markup('<div class="alert"><p><strong>Look at this:</strong></p>\n{}</div>\n').format(bullets(texts))


def listing(entries: Iterable[tuple[str, Any]]) -> Markup:
    r"""Returns names with their values, such as the settings of a run.

    Example:
        >>> listing([("rows", 10)])
        Markup('<dl><div><dt>rows</dt><dd>10</dd></div></dl>')
    """
    return Markup(_LISTING.render(entries=list(entries)))


def bullets(texts: Iterable[str]) -> Markup:
    r"""Returns texts as the points of a list.

    Example:
        >>> bullets(["a < b"])
        Markup('<ul>\n<li>a &lt; b</li>\n</ul>\n')
    """
    points = Markup("").join(Markup("<li>{}</li>\n").format(text) for text in texts)
    return Markup("<ul>\n{}</ul>\n").format(points)


def code(text: str, name: str = "code") -> Markup:
    r"""Returns a command, or text of a file, as it is.

    Args:
        text: The text.
        name: What it is, for those who can't see it.

    Example:
        >>> code("a < b", name="command")
        Markup('<pre class="scroll" role="group" aria-label="command" tabindex="0"><code>a &lt; b</code></pre>\n')
    """
    block = '<pre class="scroll" role="group" aria-label="{}" tabindex="0"><code>{}</code></pre>\n'
    return Markup(block).format(name, text)


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], strong: Iterable[int] = ()) -> Markup:
    """Returns a table that scrolls sideways where it is too wide, and can be read out.

    Args:
        caption: What the table shows.
        columns: Titles of the columns.
        rows: Rows of cells; the first cell of a row is its title.
        strong: Positions of rows to print in bold, such as that of a mean.

    Raises:
        ValueError: If a row has more or fewer cells than there are columns.

    Example:
        >>> '<th scope="row">click</th><td>0.7</td>' in table("AUC", ["task", "AUC"], [["click", 0.7]])
        True
    """
    rows = [list(row) for row in rows]
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"table {caption!r}: {len(columns)} columns, but a row has {len(row)} cells: {row}")
    return Markup(_TABLE.render(caption=caption, columns=list(columns), rows=rows, strong=set(strong)))


def details(summary: str, *blocks: Markup) -> Markup:
    r"""Returns blocks that are folded away until a reader opens them.

    Example:
        >>> details("every run", paragraph("..."))
        Markup('<details><summary>every run</summary>\n<p>...</p>\n</details>\n')
    """
    return Markup("<details><summary>{}</summary>\n{}</details>\n").format(summary, Markup("").join(blocks))
