"""The data card: rows, label rates, features, where the data comes from, and what leaks in it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from markupsafe import Markup

from tf_gradcraft.data_pipelines import PreparedData, datasets
from tf_gradcraft.data_pipelines.datasets import Card
from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.reporting import bullets, details, listing, paragraph, table
from tf_gradcraft.run_report.texts import number, percent


def card_of(name: str) -> Card | None:
    """Returns the card of a data set, or None for a log of one's own.

    Example:
        >>> card_of("kuairand").rows is not None, card_of("mine")
        (True, None)
    """
    return datasets.get(name).card if name in datasets.names() else None


def data_card_blocks(data: PreparedData, schema: Schema, card: Card | None) -> list[Markup]:
    """Returns the data card.

    Args:
        data: The prepared folder.
        schema: Features and tasks of the model.
        card: The card of the data set, or None.
    """
    manifest = data.manifest
    rows = [["rows", *(f"{count:,}" for count in data.rows.values())]]
    for task in schema.tasks:
        means = [manifest["label_rates"][split][task.name] for split in data.rows]
        binary = task.kind == "binary"
        rows.append([task.name, *(percent(mean) if binary else f"mean {number(mean)}" for mean in means)])
    kinds = Counter(feature.kind for feature in schema.features)
    entries: list[tuple[str, Any]] = [
        ("data set", card.title if card else manifest["dataset"]),
        ("features", ", ".join(f"{count} {kind}" for kind, count in kinds.items())),
        ("group of group AUC", schema.group or "none"),
        *((name, _text(value)) for name, value in manifest["arguments"].items() if name != "tasks"),
    ]
    blocks = [
        table("Rows, and label rates by part", ["what", *data.rows], rows),
        listing(entries),
        *_leaks(schema, card),
    ]
    if manifest["inputs"]:
        # A file has its size and hash; a data frame what it was told apart by.
        inputs = [(name, _text(of)) for name, of in manifest["inputs"].items()]
        blocks.append(details("What was read", listing(inputs)))
    if card:
        source = [("where to get it", card.homepage), ("licence", card.licence), ("to cite", card.citation)]
        blocks.append(details("Source and licence", listing(source)))
    return blocks


def _leaks(schema: Schema, card: Card | None) -> list[Markup]:
    if card is None:
        return [
            Markup("<h3>Leaks</h3>\n"),
            paragraph(
                "This log has no card, so nobody checked which of its columns are known only after the event. A "
                "feature must be known when the model is asked."
            ),
        ]
    never = [f"{name}: {reason}" for name, reason in card.outcomes.items()]
    leaking = {*card.outcomes} & {*schema.feature_names}
    said = f"{len(leaking)} of them are features here!" if leaking else "None of them is a feature here."
    return [
        Markup("<h3>Leak warnings</h3>\n"),
        *([bullets(card.warnings)] if card.warnings else []),
        paragraph(f"Columns that must never be features, since they are known afterwards only: {len(never)}. {said}"),
        details("Columns that must never be features", bullets(never)),
    ]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {of}" for name, of in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
