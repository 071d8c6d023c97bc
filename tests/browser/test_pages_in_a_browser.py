"""Pages in a real headless browser: axe, width, keyboard; skipped where no browser or axe-core is installed.

Set AXE_MODULES to the folder in which `npm install axe-core playwright-core` was run, and CHROMIUM to the browser if it
is not /usr/bin/chromium. docs/reports.md says how to look at any page.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tf_gradcraft.reporting import (
    Page,
    alert,
    alerts,
    bullets,
    chart,
    charts,
    code,
    details,
    draw,
    heat_map,
    listing,
    paragraph,
    table,
)

SCRIPT = Path(__file__).parent / "look_at_page.mjs"
MODULES = Path(os.environ.get("AXE_MODULES", SCRIPT.parent))
BROWSER = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))

MISSING = [
    what
    for what, there in {
        "node": shutil.which("node"),
        str(BROWSER): BROWSER.is_file(),
        "axe-core (set AXE_MODULES)": (MODULES / "node_modules" / "axe-core").is_dir(),
        "playwright-core (set AXE_MODULES)": (MODULES / "node_modules" / "playwright-core").is_dir(),
    }.items()
    if not there
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def look_at(path):
    """Looks at a page in four ways; returns what was found, and whether all is well."""
    command = ["node", str(SCRIPT), str(path), "--modules", str(MODULES), "--browser", str(BROWSER)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.returncode == 0


def page_of_all_pieces():
    page = Page("Everything", lead="Every piece that a page may have.")
    page.add("Text", paragraph("A paragraph."), alert("one thing"), alerts(["a", "b"]), bullets(["x", "y"]))
    rows = [[f"row {row}", *np.arange(14) + 1000.5] for row in range(3)]
    page.add(
        "Tables", listing([("rows", 10), ("long", "word " * 30)]), table("Wide", ["what", *"abcdefghijklmn"], rows)
    )
    with draw() as (figure, axes):
        axes[0, 0].plot([1, 2], [0.5, 0.7], label="a")
        axes[0, 0].legend()
        page.add("Wide chart", chart(figure, "Wide: it rises", caption="a wide chart"))
    small = []
    for title in ("one", "two", "three"):
        with draw(width=4.4, height=3) as (figure, axes):
            heat_map(axes[0, 0], np.eye(2), ["a", "b"], ["a", "b"])
            small.append(chart(figure, f"{title}: a matrix"))
    page.add("Small charts", charts(*small), details("more", code("tf-gradcraft " + "word " * 60, name="command")))
    return page


def test_a_page_of_all_pieces_is_accessible(tmp_path):
    found, well = look_at(page_of_all_pieces().write(tmp_path / "pieces.html"))
    assert well, json.dumps(found, indent=1)
    assert [(of["width"], of["colorScheme"]) for of in found] == [
        (1280, "light"),
        (1280, "dark"),
        (390, "light"),
        (390, "dark"),
    ]
    for of in found:
        assert of["violations"] == []
        assert of["smallestText"] > 8
        assert "div: Chart: Wide" in of["tabStops"]
        assert not any("one" in stop for stop in of["tabStops"] if "Chart" in stop)


def test_the_check_finds_what_is_wrong(tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text("<html><body><img src='data:,'><div style='width: 2000px'>wide</div></body></html>")
    found, well = look_at(bad)
    assert not well
    assert {"image-alt", "html-has-lang"} <= {violation["id"] for violation in found[0]["violations"]}
    assert found[0]["pageWidth"] >= 2000
