"""Charts as SVG that stands in a page: its lines and letters take the page's colour, light or dark."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

COLOURS = ("#2f7fc1", "#d9772b", "#3a9d5d", "#b65fb5", "#8a8f26", "#c94f5d", "#2f8f95", "#8b6fd0", "#9a7049", "#7a8794")
"""Colours of series; each has a contrast of 3 or more on the page's light and dark ground."""

NARROW = 5.0
"""Width in inches up to which a figure fits a phone without scrolling."""
# How much a figure may shrink before it scrolls, and grow.
_SMALLEST, _LARGEST = 0.7, 1.35

# matplotlib has no notion of a page's text colour; this stands for it until the SVG is written.
_TEXT = "#010203"
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": _TEXT,
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.labelcolor": _TEXT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "figure.facecolor": "none",
    "font.size": 11,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "patch.edgecolor": _TEXT,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": _TEXT,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
}


@contextlib.contextmanager
def draw(rows: int = 1, columns: int = 1, width: float = 9.0, height: float = 4.0) -> Iterator[tuple[Figure, Any]]:
    """Gives a matplotlib figure in the style of the pages, and its axes [rows, columns].

    Args:
        rows: Rows of axes.
        columns: Columns of axes.
        width: Width in inches; a page shows it as wide as it is itself.
        height: Height in inches.

    Example:
        >>> with draw() as (figure, axes):
        ...     _ = axes[0, 0].plot([0, 1], [0.5, 0.7])
        ...     svg = chart(figure, "AUC by epoch")
        >>> svg.count('<svg role="img" aria-label="AUC by epoch"')
        1
    """
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE | {"axes.prop_cycle": cycler(color=COLOURS)}):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots(rows, columns, squeeze=False)


def chart(figure: Figure, description: str, caption: str = "") -> Markup:
    """Returns a figure as SVG for a page; call it within `draw`.

    A figure shrinks with the page until its letters would become too small; from there on it scrolls sideways. Figures
    up to `NARROW` inches fit a phone.

    Args:
        figure: A matplotlib figure.
        description: What a reader who can't see it should know: what is shown, and what it says.
        caption: Text below the figure, for all.
    """
    import matplotlib as mpl

    written = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "tf_gradcraft"}):
        figure.savefig(written, format="svg", metadata={"Date": None})
    svg = written.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    # Every figure has the names "axes_1", "text_3", ...; within a page they must differ.
    salt = hashlib.sha256((description + svg).encode()).hexdigest()[:8]
    svg = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>c{salt}-", svg).replace(_TEXT, "currentColor")
    width = figure.get_figwidth()
    limits = f"min-width:{_SMALLEST * width:.1f}in;max-width:{_LARGEST * width:.1f}in"
    label = Markup('<svg role="img" aria-label="{}" style="{}"').format(description, limits)
    below = Markup("<figcaption>{}</figcaption>").format(caption) if caption else Markup("")
    # What scrolls must be reachable by keyboard; what fits everywhere should not be in the way.
    scrolls = Markup(' role="group" aria-label="{}" tabindex="0"').format(_name(description)) if width > NARROW else ""
    drawn = Markup('<div class="plot"{}>{}</div>').format(scrolls, Markup(svg.replace("<svg", label, 1)))
    return Markup("<figure>{}{}</figure>\n").format(drawn, below)


def _name(description: str) -> str:
    """Returns how a chart is called: its description up to the first colon or the end of its first sentence."""
    return f"Chart: {re.split(r':|[.] ', description)[0]}"


def charts(*figures: Markup) -> Markup:
    r"""Returns several charts side by side, as many as there is room for; below each other on a phone.

    Args:
        *figures: What `chart` returned, of figures of equal width: 4 to 5 inches for two or three in a row.

    Example:
        >>> charts(Markup("<figure></figure>"))
        Markup('<div class="charts"><figure></figure></div>\n')
    """
    return Markup('<div class="charts">{}</div>\n').format(Markup("").join(figures))


def heat_map(axes: Any, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], limit: float = 1.0) -> None:
    """Draws a matrix on one axes, blue below 0 and orange above, with the numbers in its cells.

    Args:
        axes: Matplotlib axes, of `draw`.
        values: Numbers [R, C].
        rows: R titles.
        columns: C titles.
        limit: The size that gets the full colour.

    Example:
        >>> import numpy as np
        >>> with draw() as (figure, axes):
        ...     heat_map(axes[0, 0], np.eye(2), ["a", "b"], ["a", "b"])
        >>> [text.get_text() for text in axes[0, 0].texts]
        ['1.00', '0.00', '0.00', '1.00']
    """
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("conflict", ["#1b5f9e", "#f2f2f2", "#b8560f"])
    axes.imshow(values, cmap=colours, vmin=-limit, vmax=limit, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    for row, of_row in enumerate(values):
        for column, value in enumerate(of_row):
            colour = "white" if abs(value) > 0.6 * limit else "#1c2733"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize="small", color=colour)
