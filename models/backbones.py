"""Interaction backbones: what of the encoded features the experts of a model see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tf_gradcraft.models.factorization_machine import FactorizationMachine
from tf_gradcraft.suggestions import unknown_name

BACKBONES = ("mlp", "deepfm", "dcn_v2", "dot")
CROSS_LAYERS = 2


def check_backbone(backbone: str, dimensions: Sequence[int], num_features: int) -> None:
    """Raises a ValueError unless the backbone is known and fits the embeddings.

    Args:
        backbone: Its name.
        dimensions: The different lengths of the embeddings.
        num_features: Number of embedded features.

    Example:
        >>> check_backbone("dot", [8, 16], 9)
        Traceback (most recent call last):
        ValueError: backbone='dot' multiplies features by pairs, so all embeddings must have one length; here they ...
    """
    if backbone not in BACKBONES:
        raise ValueError(unknown_name("backbone", backbone, BACKBONES))
    if backbone not in ("deepfm", "dot"):
        return
    if len(dimensions) > 1:
        lengths = ", ".join(map(str, dimensions))
        raise ValueError(
            f"backbone={backbone!r} multiplies features by pairs, so all embeddings must have one length; here they "
            f"have {lengths}: leave out `dimension` of the features, or take 'mlp' or 'dcn_v2'"
        )
    if num_features < 2:
        raise ValueError(
            f"backbone={backbone!r} multiplies embedded features by pairs, the schema has {num_features}; take 'mlp' "
            "or 'dcn_v2', or bucketise numbers (`boundaries`)"
        )


def interact(
    backbone: str, encoded: Any, embedded: Sequence[Any], numbers: Sequence[Any], first_order: Any, l2: float, name: str
) -> Any:
    r"""Returns what the experts see, [B, H].

    Args:
        backbone: `"mlp"`: the encoded features as they are, so that experts and towers are all there is.

            `"deepfm"`: beside them the terms of a factorisation machine, Guo et al., "DeepFM", IJCAI 2017: the sum of
            first-order weights, one an id, and the second-order part, see `FactorizationMachine`. In the paper they
            are added to the one logit; here they are shared and stand in front of the experts, so that each task weighs
            them itself, and what balances tasks sees one representation. Numbers that are not bucketised are left to
            the experts.

            `"dcn_v2"`: two cross layers $x_{l+1} = x_0 \odot (W x_l + b) + x_l$ on the encoded features, Wang et al.,
            "DCN V2", WWW 2021, the stacked form: experts see the last one's output.

            `"dot"`: beside them the dot products of all pairs of features, Naumov et al., "Deep Learning
            Recommendation Model", 2019. The normalised numbers are one feature more, through a dense layer. Other than
            in the paper, the embeddings reach the experts too.
        encoded: All features side by side [B, D].
        embedded: Embeddings [B, F, E], one tensor for each length E.
        numbers: The normalised numbers [B, N], or nothing.
        first_order: For `"deepfm"` the weights [B, F, 1].
        l2: Factor of the L2 penalty on kernels.
        name: How the names of the layers begin.
    """
    if backbone == "mlp":
        return encoded
    penalty = keras.regularizers.L2(l2) if l2 else None
    if backbone == "deepfm":
        first = keras.ops.sum(first_order, axis=1)
        second = FactorizationMachine(name=f"{name}second_order")(embedded[0])
        return keras.layers.Concatenate(name=f"{name}interacted")([encoded, first, second])
    # Imported here, since a model without them should not wait for it.
    from keras_rs.layers import DotInteraction, FeatureCross

    if backbone == "dcn_v2":
        crossed = encoded
        for layer in range(CROSS_LAYERS):
            crossed = FeatureCross(kernel_regularizer=penalty, name=f"{name}cross_{layer}")(encoded, crossed)
        return crossed
    features = keras.ops.unstack(embedded[0], axis=1)
    if numbers:
        width = embedded[0].shape[-1]
        dense = keras.layers.Dense(width, activation="relu", kernel_regularizer=penalty, name=f"{name}numbers_as_one")
        features.append(dense(numbers[0]))
    products = DotInteraction(name=f"{name}dot_products")(features)
    return keras.layers.Concatenate(name=f"{name}interacted")([encoded, products])
