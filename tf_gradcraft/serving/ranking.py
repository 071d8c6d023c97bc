"""The `rank` signature: one user and context, many candidates, one combined score."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import tensorflow as tf

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.serving.encoding import FeatureEncoder
from tf_gradcraft.suggestions import unknown_name

NUM_CANDIDATES = "num_candidates"
SCORE, TOP_K, TOP_K_SCORE = "score", "top_k", "top_k_score"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rank:
    """Settings of the `rank` signature, for the argument `signatures` of `export`.

    Args:
        candidate: Raw features that come with each candidate; all others come once a request. By default what the
            schema says (`Feature.side`).
        weights: Weight of each task in the combined score when a request brings none; 1 for tasks that are not named.
        top_k: How many of the best candidates are listed.

    Raises:
        ValueError: If `top_k` is below 1, `candidate` is empty or a weight is not finite.

    Example:
        >>> Rank(weights={"click": 1.0, "like": 5.0}, top_k=20).top_k
        20
    """

    candidate: tuple[str, ...] | None = None
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    top_k: int = 100

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise ValueError(f"Rank: top_k={self.top_k} is out of range; it must be at least 1")
        if self.candidate is not None and not self.candidate:
            raise ValueError("Rank: candidate is empty; name the features of a candidate, or None for the schema's")
        for task, weight in self.weights.items():
            if not math.isfinite(weight):
                raise ValueError(f"Rank: the weight of {task!r} is {weight}; it must be a finite number")

    def sided(self, schema: Schema) -> Schema:
        """Returns the schema with the sides that `candidate` names, after checks against its features and tasks.

        Raises:
            ValueError: If a name is not known or taken, all raw features are on one side, or a task has several scores.
        """
        if several := [task.name for task in schema.tasks if task.outputs > 1]:
            raise ValueError(
                f"the signature rank needs one score a task; {', '.join(several)} has one a class: leave rank out, "
                "signatures=['serving_examples'], or train without such tasks for it"
            )
        raw = [feature.name for feature in schema.features if feature.raw]
        for name in self.candidate or ():
            if name not in raw:
                raise ValueError(unknown_name("candidate feature", name, raw))
        for task in self.weights:
            schema.task(task)
        own_inputs = {NUM_CANDIDATES, *map(weight_name, schema.task_names)}
        if taken := own_inputs & set(raw) | {SCORE, TOP_K, TOP_K_SCORE} & set(schema.task_names):
            raise ValueError(f"the signature rank needs the name {', '.join(sorted(taken))} for itself; rename yours")
        if self.candidate is not None:
            sides = {name: "candidate" if name in self.candidate else "request" for name in raw}
            features = (
                dataclasses.replace(feature, side=sides.get(feature.name, "request")) for feature in schema.features
            )
            schema = dataclasses.replace(schema, features=tuple(features))
        if len({schema.side(name) for name in raw}) < 2:
            raise ValueError(
                "the signature rank needs features of the request and of the candidates, all are of one: name those "
                "of a candidate, signatures=[gc.serving.Rank(candidate=('video_id', ...))]"
            )
        return schema


def weight_name(task: str) -> str:
    """Returns the name of the input that is a task's weight in the combined score."""
    return f"{task}_weight"


def rank_specs(encoder: FeatureEncoder, schema: Schema) -> list:
    """Returns the inputs of the signature: the raw features, and those that a request may leave out.

    Raw features of the request have the shape [B], those of the candidates [B, N], and one dimension more if they are
    lists; `<task>_weight` and `num_candidates` [B].

    Args:
        encoder: The encoder of the schema.
        schema: The schema with sides.
    """
    raw = {
        name: spec if schema.side(name) == "request" else tf.TensorSpec([None, *spec.shape], spec.dtype, name)
        for name, spec in encoder.specs().items()
    }
    optional = {name: tf.TensorSpec([None], tf.float32, name) for name in map(weight_name, schema.task_names)}
    return [raw, optional | {NUM_CANDIDATES: tf.TensorSpec([None], tf.int32, NUM_CANDIDATES)}]


def optional_inputs(schema: Schema, settings: Rank) -> dict[str, tf.Tensor]:
    """Returns the defaults of the inputs that a request may leave out."""
    weights = {weight_name(task): settings.weights.get(task, 1.0) for task in schema.task_names}
    return {name: tf.constant([weight], tf.float32) for name, weight in weights.items()} | {
        NUM_CANDIDATES: tf.constant([-1], tf.int32)
    }


def rank_function(
    encoder: FeatureEncoder,
    predict: Callable[[Mapping[str, tf.Tensor], Mapping[str, tf.Tensor], tf.Tensor], Mapping[str, tf.Tensor]],
    schema: Schema,
    settings: Rank,
) -> Callable[..., dict[str, tf.Tensor]]:
    r"""Returns the function of the `rank` signature.

    The score of a candidate is $\sum_t w_t \hat y_t$. What belongs to the request alone is encoded once, and
    so is its part of the first dense layers (`ServedModel`); crosses and statistics of both sides are encoded for each
    candidate, and a history of the request is pooled once for each candidate that it is compared with.

    All inputs have the leading dimension B, the number of requests (1, most often), so that a server may batch
    requests together. It then needs equal numbers of candidates, or pads them: `num_candidates` says how many are real
    (-1: all).

    Args:
        encoder: The encoder of the schema.
        predict: The model: all encoded features [B * N], those of the requests [B] and the shape (B, N) to predictions
            [B * N, 1] by task.
        schema: The schema with sides.
        settings: Default weights and length of the list.

    Returns:
        A function of `{raw feature: values}` and the optional inputs that returns by name: each task's predictions
        [B, N], `score` [B, N], `top_k` [B, K] (int32 positions of the best candidates, best first, the earlier one of
        equal scores first; K = min(top_k, N); -1 where a request has fewer) and `top_k_score` [B, K] (0 where `top_k`
        is -1).
    """
    tasks = schema.task_names
    request = [name for name in schema.feature_names if schema.side(name) == "request"]
    candidate_raw = [feature.name for feature in schema.features if feature.raw and feature.side == "candidate"]
    request_raw = [feature.name for feature in schema.features if feature.raw and feature.side == "request"]

    # TensorFlow writes defaults that are tensors into the signature: a request may leave these inputs out.
    def rank(raw, optional=optional_inputs(schema, settings)):  # noqa: B008
        shape = tf.shape(raw[candidate_raw[0]])[:2]
        check_shapes([raw[name] for name in candidate_raw], shape)
        once = encoder({name: raw[name] for name in request_raw}, request)
        flat = {name: one_a_row(raw[name]) for name in candidate_raw}
        predictions = predict(encoder(flat, known=repeat_rows(once, shape[1])), once, shape)
        predictions = {task: tf.reshape(predictions[task], shape) for task in tasks}
        weights = [tf.broadcast_to(optional[weight_name(task)], shape[:1]) for task in tasks]
        score = tf.linalg.matvec(tf.stack([predictions[task] for task in tasks], -1), tf.stack(weights, -1))
        count = tf.broadcast_to(optional[NUM_CANDIDATES], shape[:1])
        count = tf.where(count < 0, shape[1], count)
        best_score, best = best_candidates(score, count, settings.top_k)
        return {**predictions, SCORE: score, TOP_K: best, TOP_K_SCORE: best_score}

    return rank


def check_shapes(candidates: list[tf.Tensor], shape: tf.Tensor) -> None:
    """Adds a check to the graph: [2, 3] and [3, 2] have as many values, and rows would be mixed up without a word."""
    shapes = tf.stack([tf.shape(values)[:2] for values in candidates])
    tf.debugging.assert_equal(shapes, shape[tf.newaxis], "rank: the features of the candidates differ in shape")


def one_a_row(candidates: tf.Tensor) -> tf.Tensor:
    """Returns the values of candidates [B, N] or their lists [B, N, L] without the dimension of the requests."""
    shape = tf.shape(candidates)
    return tf.reshape(candidates, tf.concat([[shape[0] * shape[1]], shape[2:]], 0))


def repeat_rows(columns: Mapping[str, tf.Tensor], times: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns columns [B] or [B, L] with each row repeated, [B * times]; all [B] of one dtype are repeated together.

    Example:
        >>> repeat_rows({"user": tf.constant([7, 8])}, tf.constant(2))["user"].numpy().tolist()
        [7, 7, 8, 8]
    """
    repeated = {name: tf.repeat(values, times, axis=0) for name, values in columns.items() if values.shape.rank > 1}
    single = {name: values for name, values in columns.items() if name not in repeated}
    for dtype in dict.fromkeys(values.dtype for values in single.values()):
        names = [name for name, values in single.items() if values.dtype == dtype]
        table = tf.stack([columns[name] for name in names])
        rows = tf.tile(table[:, :, tf.newaxis], [1, 1, times])
        repeated |= zip(names, tf.unstack(tf.reshape(rows, [len(names), -1])), strict=True)
    return repeated


def best_candidates(score: tf.Tensor, count: tf.Tensor, limit: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns scores and positions [B, min(limit, N)] of the best candidates; 0 and -1 where there is none.

    Args:
        score: Scores [B, N]; one that is NaN is never among the best.
        count: Number of candidates of each row that are real, int32 [B].
        limit: How many at most.

    Example:
        >>> scores, positions = best_candidates(tf.constant([[0.5, 2.0, 9.0]]), tf.constant([2]), 5)
        >>> positions.numpy().tolist(), scores.numpy().tolist()
        ([[1, 0, -1]], [[2.0, 0.5, 0.0]])
    """
    real = tf.range(tf.shape(score)[1])[tf.newaxis] < count[:, tf.newaxis]
    ranked = tf.where(real & ~tf.math.is_nan(score), score, -math.inf)
    values, positions = tf.math.top_k(ranked, tf.minimum(limit, tf.shape(score)[1]))
    found = values > -math.inf
    return tf.where(found, values, 0.0), tf.where(found, positions, -1)
