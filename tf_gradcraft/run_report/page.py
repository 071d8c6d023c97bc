"""The report of a run as one page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from tf_gradcraft.data_pipelines import PreparedData
from tf_gradcraft.metrics.calibration_error import BINS
from tf_gradcraft.reporting import Page, alerts, listing, paragraph
from tf_gradcraft.run_report.alerts import curve_alerts, data_alerts, gap_alert, metric_alerts, recorded_alerts
from tf_gradcraft.run_report.audit import audit, check_feature, default_features
from tf_gradcraft.run_report.audit_plots import audit_blocks
from tf_gradcraft.run_report.bootstrap import MEAN, bootstrap
from tf_gradcraft.run_report.calibration_plots import calibration_blocks
from tf_gradcraft.run_report.curves import curve_blocks
from tf_gradcraft.run_report.data_card import card_of, data_card_blocks
from tf_gradcraft.run_report.latency import latency_blocks, measure_latency
from tf_gradcraft.run_report.metrics_table import Metrics, metric_blocks
from tf_gradcraft.run_report.reproduce import reproduce_blocks
from tf_gradcraft.run_report.run_files import RunFiles
from tf_gradcraft.run_report.scored_rows import ScoredSplit, score_split
from tf_gradcraft.run_report.statistics import statistics_of
from tf_gradcraft.run_report.texts import TITLES, interval_text, number


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What can be chosen about a report.

    Args:
        split: The part that metrics are of: `"valid"` or `"test"`.
        by: Features of the audit; None for those that `default_features` chooses.
        resamples: Resamples of users for intervals; 0 for none.
        seed: Seed of the resamples.
        bins: Bins of the calibration plots and of ECE.
        latency: Whether to export the model and time requests.

    Raises:
        ValueError: If a number is out of range.
    """

    split: str = "valid"
    by: tuple[str, ...] | None = None
    resamples: int = 200
    seed: int = 0
    bins: int = BINS
    latency: bool = True

    def __post_init__(self) -> None:
        for name, least in (("resamples", 0), ("seed", 0), ("bins", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")


def report_page(
    run: RunFiles,
    model: Any,
    data: PreparedData,
    versions: Mapping[str, str],
    options: ReportOptions,
    progress: Callable[[str], object] = lambda text: None,
) -> Page:
    """Returns the report of a run.

    Args:
        run: The files of the run.
        model: Its model.
        data: The prepared folder that it was trained on.
        versions: Versions of the libraries, by name.
        options: What is reported, and how.
        progress: Called with what is going on.

    Raises:
        ValueError: If a feature of the audit is not known, or the split has no row.
    """
    schema = model.schema
    features = list(default_features(schema) if options.by is None else dict.fromkeys(options.by))
    for name in features:
        check_feature(schema, name)
    progress(f"predicting {data.rows[options.split]:,} rows")
    scored = score_split(model, data, options.split)
    progress(f"drawing {options.resamples:,} resamples of {scored.units:,} users ({scored.unit_name})")
    metrics = bootstrap(statistics_of(scored, options.bins), scored.units, options.resamples, options.seed)
    audits = {}
    for name in features:
        progress(f"auditing by {name}")
        audits[name] = audit(scored, schema, name, options.resamples, options.seed)
    latency = [paragraph("Not measured (--no-latency).")]
    if options.latency:
        progress("timing requests to an export in a temporary folder")
        latency = _latency(model)
    progress("drawing charts")
    card = card_of(data.manifest["dataset"])
    warnings = data_alerts(schema, card, data.manifest, options.split)
    warnings += recorded_alerts(run, metrics) if options.split == "valid" else []
    warnings += curve_alerts(run, schema.task_names) + metric_alerts(scored, metrics)
    for feature, by_task in audits.items():
        for task, lines in by_task.items():
            warnings += gap_alert(task, feature, list(zip(map(str, lines.index), lines.interval, strict=True)))

    page = Page(f"Run {run.folder.resolve().name}", lead=_lead(run, scored))
    page.add("Summary", *_summary(run, data, scored, metrics), alerts(warnings))
    page.add("Data card", *data_card_blocks(data, schema, card))
    page.add("Learning curves", *curve_blocks(run, schema.tasks))
    page.add("Metrics", *metric_blocks(scored, metrics, options.resamples, options.bins))
    page.add("Calibration", *calibration_blocks(scored, options.bins))
    page.add("Audit by group", *audit_blocks(audits))
    if run.gradients is not None:
        page.add("Gradients", *_gradients(run.gradients))
    page.add("Serving latency", *latency)
    page.add("Reproduce", *reproduce_blocks(run, versions))
    return page


def _lead(run: RunFiles, scored: ScoredSplit) -> str:
    config = run.config
    part = (
        "the test part: look at it once, and choose between runs on the valid part"
        if scored.split == "test"
        else "the valid part, by which the epoch was chosen: values on new data will be a little lower"
    )
    return (
        f"{config['model']}, balanced by {config['balancing']}, on {config['data']['dataset']}. "
        f"Metrics are those of {part}."
    )


def _summary(run: RunFiles, data: PreparedData, scored: ScoredSplit, metrics: Metrics) -> list[Markup]:
    config = run.config
    settings = ", ".join(f"{name}={value}" for name, value in config["balancing_settings"].items())
    head = metrics.get(MEAN) or next(iter(metrics.values()))
    of = "mean " if MEAN in metrics else ""
    entries: list[tuple[str, Any]] = [
        ("model", config["model"]),
        ("balancing", f"{config['balancing']}{f' ({settings})' if settings else ''}, over {config['balance_over']}"),
        ("tasks", ", ".join(scored.tasks)),
        ("training rows", f"{data.rows['train']:,}"),
        ("epochs", f"{run.epochs} trained, epoch {run.best_epoch} kept"),
    ]
    if "seconds" in run.kept:
        entries.append(("training time", f"{run.kept['seconds']:,.0f} s"))
    for name, interval in head.items():
        if name in TITLES and not math.isnan(interval.value):
            ends = "" if math.isnan(interval.low) else f" ({interval_text(interval)})"
            entries.append((f"{of}{TITLES[name]}, {scored.split} part", f"{number(interval.value)}{ends}"))
    return [listing(entries)]


def _latency(model: Any) -> list[Markup]:
    try:
        return latency_blocks(*measure_latency(model))
    except FileNotFoundError as error:
        return [paragraph(f"Not measured: {error}.")]


def _gradients(story: dict[str, Any]) -> list[Markup]:
    from tf_gradcraft.callbacks.gradient_page import gradient_blocks

    return gradient_blocks(story)
