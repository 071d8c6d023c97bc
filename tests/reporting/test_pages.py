"""Pages: well-formed, safe, without names that stand twice, the same when written again."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from tf_gradcraft.reporting import COLOURS, Page, alert, chart, details, draw, heat_map, listing, paragraph, table

VOID = {"meta", "link", "br", "use", "path", "rect", "image"}


class Outline(HTMLParser):
    """Checks that every tag is closed in its turn, and collects ids, links and text."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [value for name, value in attrs if name in ("href", "src", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def page():
    page = Page("Run <1>", lead="a & b")
    page.add("Data", table("AUC", ["task", "AUC"], [["click <b>", 0.7], ["mean", 0.7]], strong=[1]), paragraph("x < y"))
    for title in ("first", "second"):
        with draw(1, 2) as (figure, axes):
            axes[0, 0].plot([1, 2], [0.5, 0.7], label=title)
            axes[0, 0].legend()
            axes[0, 0].fill_between([1, 2], [0, 1], [1, 2], alpha=0.2)
            heat_map(axes[0, 1], np.array([[1, -0.5], [-0.5, 1]]), ["a", "b"], ["a", "b"])
            page.add("Data", chart(figure, f"{title}: AUC rises", caption=title))
    page.add("Rest", alert("like is small"), details("more", listing([("rows", "10")])))
    return page


def test_a_page_is_well_formed_and_every_link_within_it_leads_somewhere():
    outline = Outline()
    outline.feed(page().html())
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)
    inner = [link[1:] for link in outline.links if link.startswith("#")]
    assert set(inner) <= set(outline.ids)
    assert {"data", "rest"} <= set(inner)
    # Clip paths and the like.
    assert set(re.findall(r"url\(#([^)]+)\)", page().html())) <= set(outline.ids)


def test_a_page_needs_no_network_and_no_script():
    text = page().html()
    outline = Outline()
    outline.feed(text)
    assert all(link.startswith(("#", "data:")) for link in outline.links)
    assert "<script" not in text
    assert "@import" not in text


def test_text_is_escaped():
    text = page().html()
    assert "Run &lt;1&gt;" in text
    assert "click &lt;b&gt;" in text
    assert "<b>" not in text


def test_the_same_page_is_the_same_file(tmp_path):
    one, other = page().write(tmp_path / "new" / "one.html"), page().write(tmp_path / "other.html")
    assert one.read_bytes() == other.read_bytes()


def test_charts_take_the_colour_of_the_page():
    with draw() as (figure, axes):
        axes[0, 0].plot([0, 1], [0, 1])
        svg = chart(figure, "a line")
    assert "currentColor" in svg
    assert "#010203" not in svg
    assert 'role="img" aria-label="a line"' in svg


def luminance(colour):
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("ground", ["#ffffff", "#12181f"])
def test_series_can_be_told_from_the_ground(colour, ground):
    light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="table 'AUC': 2 columns, but a row has 1 cells"):
        table("AUC", ["task", "AUC"], [["click"]])
