"""What a reader should look at first, in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from tf_gradcraft.data_pipelines.datasets import Card
from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.run_report.bootstrap import MEAN, Interval
from tf_gradcraft.run_report.run_files import RunFiles
from tf_gradcraft.run_report.scored_rows import ScoredSplit
from tf_gradcraft.run_report.texts import interval_text, number

FEW_POSITIVES = 100
WIDE_INTERVAL = 0.05
CALIBRATION_OFF = 0.1
SUSPICIOUS_AUC = 0.97
RISE_OF_LOSS = 1.03
SHIFT_OF_RATE = 1.25
STANDARD_ERRORS = 3

Metrics = Mapping[str, Mapping[str, Interval]]


def metric_alerts(scored: ScoredSplit, metrics: Metrics) -> list[str]:
    """Returns what stands out in the metrics: too little data, chance, leaks, calibration.

    Args:
        scored: The split.
        metrics: Its metrics with intervals, as `bootstrap` returns them.
    """
    alerts = []
    for name, rows in scored.tasks.items():
        of_task = metrics[name]
        if rows.task.kind == "binary":
            positives = int((rows.labels > 0).sum())
            if positives < FEW_POSITIVES:
                alerts.append(
                    f"{name} has only {positives:,} positive rows among {len(rows.labels):,}: its metrics say little."
                )
        area = of_task.get("auc")
        if area is not None and not math.isnan(area.value):
            if area.width > WIDE_INTERVAL:
                alerts.append(
                    f"The AUC of {name} is only known to lie within {interval_text(area)}: smaller differences between "
                    "runs mean nothing here."
                )
            if not math.isnan(area.low) and area.low <= 0.5:
                alerts.append(f"{name} may be no better than chance: the interval of its AUC reaches down to 0.5.")
            if area.value >= SUSPICIOUS_AUC:
                alerts.append(
                    f"The AUC of {name} is {number(area.value, 3)}, which is too good to be true: does a feature know "
                    "the label?"
                )
        ratio = of_task.get("pcoc")
        if ratio is not None and abs(ratio.value - 1) > CALIBRATION_OFF and ratio.apart_from(1):
            much = "too much" if ratio.value > 1 else "too little"
            alerts.append(
                f"{name} is off in calibration: it predicts {abs(100 * (ratio.value - 1)):.0f} % {much} on the whole "
                f"(PCOC {interval_text(ratio)})."
            )
    return alerts


def recorded_alerts(run: RunFiles, metrics: Metrics) -> list[str]:
    """Returns where the saved model, evaluated on the valid part, does not reach what training recorded."""
    alerts = []
    for task, of_task in metrics.items():
        for name in ("auc", "gauc", "accuracy"):
            recorded = run.kept["metrics"].get(f"{name}_mean" if task == MEAN else f"{task}_{name}")
            if name in of_task and recorded is not None and abs(of_task[name].value - recorded) > 1e-3:
                alerts.append(
                    f"metrics.json says {name} {recorded:.4f} for {task}, the saved model has "
                    f"{number(of_task[name].value)}: the data or the model changed since training."
                )
    return alerts


def curve_alerts(run: RunFiles, tasks: Iterable[str]) -> list[str]:
    """Returns what the learning curves show: overfitting, or training that was cut short.

    Example:
        >>> from pathlib import Path
        >>> history = {"a_loss": [0.6, 0.5, 0.4], "val_a_loss": [0.6, 0.55, 0.66]}
        >>> curve_alerts(RunFiles(Path("run"), {"epochs": 9}, history, {"epoch": 2}, None), ["a"])
        ['a overfits: its loss on the valid part rose by 20 % after epoch 2, while it fell on the training part.']
    """
    alerts = []
    for task in tasks:
        train, valid = run.history.get(f"{task}_loss"), run.history.get(f"val_{task}_loss")
        if not train or not valid or not all(map(math.isfinite, [*train, *valid])):
            continue
        lowest = min(range(len(valid)), key=valid.__getitem__)
        if valid[lowest] > 0 and valid[-1] > RISE_OF_LOSS * valid[lowest] and train[-1] < train[lowest]:
            alerts.append(
                f"{task} overfits: its loss on the valid part rose by {100 * (valid[-1] / valid[lowest] - 1):.0f} % "
                f"after epoch {lowest + 1}, while it fell on the training part."
            )
    if run.best_epoch == run.epochs == run.config.get("epochs"):
        alerts.append(
            f"The last of the {run.epochs} epochs allowed was the best one: training longer may still make it better."
        )
    return alerts


def data_alerts(schema: Schema, card: Card | None, manifest: Mapping, split: str) -> list[str]:
    """Returns features that must never be one, and label rates that differ between the training part and the split.

    Args:
        schema: Features and tasks of the model.
        card: The card of the data set, or None.
        manifest: The manifest of the prepared folder.
        split: Name of the split.
    """
    alerts = []
    for name in sorted({*schema.feature_names} & {*(card.outcomes if card else ())}):
        alerts.append(f"Leak: {name} is a feature, but it is known afterwards only ({card and card.outcomes[name]}).")
    rates = manifest["label_rates"]
    for task in (task.name for task in schema.tasks if task.kind == "binary"):
        before, now = rates["train"][task], rates[split][task]
        noise = math.sqrt(now * (1 - now) / manifest["rows"][split])
        shifted = min(before, now) > 0 and max(before, now) / min(before, now) > SHIFT_OF_RATE
        if shifted and abs(now - before) > STANDARD_ERRORS * noise:
            alerts.append(
                f"{task} happens in {100 * before:.2g} % of the training rows but in {100 * now:.2g} % of the {split} "
                "rows: predictions will be off by as much."
            )
    return alerts


def gap_alert(task: str, feature: str, values: Sequence[tuple[str, Interval]]) -> list[str]:
    """Returns the largest difference in AUC between groups whose intervals do not overlap.

    Args:
        task: Name of the task.
        feature: Name of the feature.
        values: Value of the feature and AUC of each group.

    Example:
        >>> gap_alert("click", "tab", [("1", Interval(0.7, 0.69, 0.71, 99)), ("2", Interval(0.6, 0.58, 0.62, 99))])
        ['click is ranked worse for tab = 2 (AUC 0.580 to 0.620) than for tab = 1 (0.690 to 0.710).']
    """
    known = [(value, area) for value, area in values if not math.isnan(area.low)]
    if not known:
        return []
    worst, best = min(known, key=lambda of: of[1].value), max(known, key=lambda of: of[1].value)
    if worst[1].high >= best[1].low:
        return []
    return [
        f"{task} is ranked worse for {feature} = {worst[0]} (AUC {interval_text(worst[1])}) than for "
        f"{feature} = {best[0]} ({interval_text(best[1])})."
    ]
