"""The report of a run: data, curves, metrics with intervals, calibration, audit, gradients and latency on one page."""

from __future__ import annotations

from tf_gradcraft.run_report.page import ReportOptions, report_page
from tf_gradcraft.run_report.run_files import RunFiles, read_run_files

__all__ = ["ReportOptions", "RunFiles", "read_run_files", "report_page"]
