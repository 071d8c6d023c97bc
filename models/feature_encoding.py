"""From the schema's features, as a batch has them, to what the experts of a model see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from tf_gradcraft.data_pipelines.schema import Feature, Schema
from tf_gradcraft.models.backbones import check_backbone, interact
from tf_gradcraft.models.embeddings import FeatureEmbeddings
from tf_gradcraft.models.normalization import NumericFeatures

FIRST_ORDER = "first_order"
"""Name of the layer with one weight an id, for the backbone `"deepfm"`."""


def feature_inputs(schema: Schema) -> dict[str, Any]:
    """Returns the inputs of a model: int32 ids [B], int32 lists of ids [B, L] and float32 numbers [B]."""
    return {
        feature.name: keras.Input(
            (feature.length,) if feature.listed else (),
            name=feature.name,
            dtype="int32" if feature.kind == "categorical" or feature.listed else "float32",
        )
        for feature in schema.features
    }


def encode(schema: Schema, inputs: Mapping[str, Any], embedding_dim: int, l2: float, backbone: str) -> Any:
    """Returns what experts see [B, D]: embeddings and normalised numbers side by side, and their interactions.

    Args:
        schema: The schema.
        inputs: What `bucketised` returns.
        embedding_dim: See `SchemaModel`.
        l2: See `SchemaModel`.
        backbone: See `SchemaModel`.
    """
    embedded = {
        name: FeatureEmbeddings(**group, l2=l2, name=name)({feature: inputs[feature] for feature in group["tables"]})
        for name, group in embedding_groups(schema, embedding_dim, backbone).items()
    }
    return side_by_side(embedded, normalised_numbers(schema, inputs, "numeric"), backbone, l2)


def side_by_side(embedded: Mapping[str, Any], numbers: list[Any], backbone: str, l2: float, name: str = "") -> Any:
    """Returns features side by side and their interactions [B, D].

    Args:
        embedded: Embeddings [B, F, E] by the names of `embedding_groups`.
        numbers: The normalised numbers [B, N], or nothing.
        backbone: See `SchemaModel`.
        l2: Factor of the L2 penalty on the backbone's kernels.
        name: How the names of the layers begin.
    """
    vectors = {group: rows for group, rows in embedded.items() if group != FIRST_ORDER}
    parts = [
        keras.layers.Flatten(name=f"{name}{group.replace('embeddings', 'embedded')}")(rows)
        for group, rows in vectors.items()
    ]
    parts += numbers
    encoded = keras.layers.Concatenate(name=f"{name}encoded")(parts) if len(parts) > 1 else parts[0]
    return interact(backbone, encoded, list(vectors.values()), numbers, embedded.get(FIRST_ORDER), l2, name)


def embedding_groups(schema: Schema, embedding_dim: int, backbone: str = "mlp") -> dict[str, dict[str, Any]]:
    """Returns the arguments of the layers `FeatureEmbeddings` by their names, one layer for each length of embeddings.

    If all embeddings have one length, the layer is called `embeddings`; further ones have the length in their name. The
    backbone `"deepfm"` has one more, `first_order`.

    Raises:
        ValueError: If the backbone is not known or does not fit.

    Example:
        >>> from tf_gradcraft.data_pipelines.schema import Task
        >>> features = [Feature(name="user", kind="categorical", dtype="int64", size=9),
        ...             Feature(name="age", kind="numeric", boundaries=(20, 40), dimension=4)]
        >>> groups = embedding_groups(Schema(features=features, tasks=[Task(name="click")]), embedding_dim=16)
        >>> {name: (group["sizes"], group["dimension"]) for name, group in groups.items()}
        {'embeddings': ({'user': 9}, 16), 'embeddings_4': ({'age': 3}, 4)}
    """
    by_dimension: dict[int, list[Feature]] = {}
    for feature in schema.features:
        if feature.embedded:
            by_dimension.setdefault(feature.dimension or embedding_dim, []).append(feature)
    check_backbone(backbone, list(by_dimension), sum(map(len, by_dimension.values())))
    groups = {}
    for dimension, features in by_dimension.items():
        name = "embeddings" if len(by_dimension) == 1 or dimension == embedding_dim else f"embeddings_{dimension}"
        groups[name] = group_settings(features, dimension)
    if backbone == "deepfm":
        [features] = by_dimension.values()
        groups[FIRST_ORDER] = group_settings(features, 1)
        # Single weights have no likeness to a query: those of a history are averaged.
        for settings in groups[FIRST_ORDER]["lists"].values():
            settings |= {"pooling": settings.get("pooling", "mean"), "of": None}
    return groups


def group_settings(features: list[Feature], dimension: int) -> dict[str, Any]:
    """Returns the arguments of `FeatureEmbeddings` for features whose embeddings have one length."""
    return {
        "tables": {feature.name: str(feature.table) for feature in features},
        "sizes": {str(feature.table): int(feature.size or 0) for feature in features},
        "dimension": dimension,
        "lists": {
            feature.name: {"length": feature.length}
            | ({"of": feature.of} if feature.kind == "history" else {"pooling": feature.pooling})
            for feature in features
            if feature.listed
        },
    }


def bucketised(schema: Schema, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the inputs with the buckets, as ids, of those numbers that have boundaries."""
    ids = dict(inputs)
    for feature in schema.of_kind("numeric"):
        if feature.boundaries:
            # Numbers are not to be rounded to less than float32 before they are compared.
            layer = keras.layers.Discretization(
                list(feature.boundaries), name=bucket_name(feature.name), dtype="float32"
            )
            ids[feature.name] = layer(inputs[feature.name])
    return ids


def bucket_name(feature: str) -> str:
    """Returns the name of the layer that finds a number's bucket."""
    return f"{feature}_bucket"


def normalised_numbers(schema: Schema, inputs: Mapping[str, Any], name: str) -> list[Any]:
    """Returns the normalised numeric and statistic features side by side [B, N]; nothing if there are none."""
    if not (numeric := normalised_features(schema)):
        return []
    layer = NumericFeatures(numeric_settings(numeric), name=name)
    return [layer({feature.name: inputs[feature.name] for feature in numeric})]


def normalised_features(schema: Schema) -> list[Feature]:
    """Returns the features whose number itself is used: numeric ones without boundaries, and statistics."""
    return [feature for feature in schema.of_kind("numeric", "statistic") if not feature.boundaries]


def numeric_settings(features: list[Feature]) -> list[dict[str, Any]]:
    """Returns what `NumericFeatures` wants to know of each feature."""
    return [{"name": f.name, "mean": f.mean, "std": f.std, "transform": f.transform} for f in features]
