"""Pages that people look at: self-contained HTML with tables and charts, light and dark, readable without a network."""

from __future__ import annotations

from tf_gradcraft.reporting.charts import COLOURS, chart, charts, draw, heat_map
from tf_gradcraft.reporting.page import Page
from tf_gradcraft.reporting.pieces import alert, alerts, bullets, code, details, listing, paragraph, table

__all__ = [
    "COLOURS",
    "Page",
    "alert",
    "alerts",
    "bullets",
    "chart",
    "charts",
    "code",
    "details",
    "draw",
    "heat_map",
    "listing",
    "paragraph",
    "table",
]
