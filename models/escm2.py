"""ESCM2: chained tasks over the entire space, the later ones also by an estimator free of selection bias."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.chain import checked_chain, column, entire_space, multiplied
from tf_gradcraft.models.counterfactual import EntireSpace, counterfactual_risk
from tf_gradcraft.models.mlp import MLP
from tf_gradcraft.models.schema_model import Predict, SchemaModel, as_schema
from tf_gradcraft.suggestions import unknown_name
from tf_gradcraft.training import SharedRepresentation
from tf_gradcraft.training.compiled_losses import loss_weight

ESTIMATORS = ("ips", "dr")


@keras.saving.register_keras_serializable("tf_gradcraft")
class ESCM2(SchemaModel):
    r"""Entire space counterfactual multi-task model, with inverse propensities (IPS) or doubly robust (DR).

    Wang et al., "ESCM2: Entire Space Counterfactual Multi-Task Model for Post-Click Conversion Rate Estimation", SIGIR
    2022. Towers, outputs and labels are those of `ESMM`: **the output of a chained task is the product along the
    chain**, pCTCVR = pCTR pCVR of `chain=("click", "buy")`. The loss of a chained task but the first is
    $\lambda_g L_{CTCVR} + \lambda_c L_{CVR}$: the loss that the model was compiled with, on the product over all rows,
    and the estimated risk of the conditional probability pCVR over all rows, see `counterfactual_risk`. The propensity
    is the probability of the earlier event, pCTR. For DR every chained task but the first has a further tower, which
    predicts the error of pCVR. A chain may be longer than two, which the paper leaves out.

    The `<task>_loss` values in the logs are of $L_{CTCVR}$ alone; `loss` has all.

    Shared: embeddings, and the towers of all chained tasks but the last. Private: the other towers, and those of the
    predicted errors. Marked: the logits of the shared towers, and the input as the private towers see it.

    Args:
        schema: The schema, or what its `to_dict` returned.
        chain: Names of tasks, each following from the one before.
        estimator: `"ips"` or `"dr"`.
        global_weight: The factor $\lambda_g$.
        counterfactual_weight: The factor $\lambda_c$.
        min_propensity: Propensities below count as this one, in (0, 1]: a bias that bounds the variance.
        tower_units: Widths of each tower.
        dropout: Dropout in towers.
        l2: Factor of the L2 penalty on looked-up embedding rows, and on kernels of towers.
        **kwargs: See `SchemaModel`: `embedding_dim`, `backbone`, `name`.

    Raises:
        ValueError: If the chain is empty or names a task twice or one that is not binary or not in the schema, or
            another argument is out of range.

    Example:
        >>> from tf_gradcraft.data_pipelines.schema import Feature, Task
        >>> schema = Schema(features=[Feature(name="user", kind="categorical", dtype="int64", size=9)],
        ...                 tasks=[Task(name="click"), Task(name="buy")])
        >>> model = ESCM2(schema, chain=("click", "buy"), estimator="dr")
        >>> sorted(model({"user": keras.ops.array([1, 2])}))
        ['buy', 'click']
    """

    def __init__(
        self,
        schema: Schema,
        *,
        chain: Sequence[str],
        estimator: str = "ips",
        global_weight: float = 1.0,
        counterfactual_weight: float = 1.0,
        min_propensity: float = 0.05,
        tower_units: Sequence[int] = (360, 200, 80),
        dropout: float = 0.2,
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        schema = as_schema(schema)
        chain = checked_chain(chain, schema.tasks, "ESCM2")
        if estimator not in ESTIMATORS:
            raise ValueError("ESCM2: " + unknown_name("estimator", estimator, ESTIMATORS))
        if global_weight < 0 or counterfactual_weight < 0 or not 0 < min_propensity <= 1:
            raise ValueError(
                "ESCM2: needs global_weight >= 0, counterfactual_weight >= 0 and 0 < min_propensity <= 1, got "
                f"{global_weight}, {counterfactual_weight} and {min_propensity}"
            )
        errors: dict[str, Any] = {}

        def represent(encoded: Any) -> list[Any]:
            seen = SharedRepresentation(name="representation")(encoded)
            for task in chain[1:] if estimator == "dr" else ():
                tower = MLP(tower_units, dropout=dropout, l2=l2, name=f"{task}_error_tower")(seen)
                errors[task] = keras.layers.Dense(1, "softplus", name=f"{task}_error", dtype="float32")(tower)
            return [encoded if task in chain[:-1] else seen for task in schema.task_names]

        def link(logits: Mapping[str, Any], predict: Predict) -> dict[str, Any]:
            def join(task: str, earlier: Any, conditional: Any) -> Any:
                parts = [earlier, conditional, *([errors[task]] if task in errors else [])]
                return EntireSpace(name=f"{task}_entire_space", dtype="float32")(parts)

            return multiplied(chain, logits, predict, join)

        settings = {
            "chain": list(chain),
            "estimator": estimator,
            "global_weight": global_weight,
            "counterfactual_weight": counterfactual_weight,
            "min_propensity": min_propensity,
        }
        common: dict[str, Any] = {"tower_units": tower_units, "dropout": dropout, "l2": l2}
        super().__init__(schema, represent, settings, link=link, **common, **kwargs)

    def prepare_labels(self, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        """Returns the labels and weights over the entire space."""
        return entire_space(self._settings["chain"], *super().prepare_labels(y, sample_weight))

    def compute_task_losses(
        self, x: Any, y: Any, y_pred: Mapping[str, tf.Tensor], sample_weight: Any = None, training: bool = True
    ) -> dict[str, tf.Tensor]:
        """See `MultiTaskModel`; those of chained tasks have the estimated risk in them."""
        losses = super().compute_task_losses(x, y, y_pred, sample_weight, training)
        chain, settings = self._settings["chain"], self._settings
        for earlier, later in itertools.pairwise(chain):
            if later not in losses or earlier not in y:
                continue
            weights = sample_weight.get(later) if isinstance(sample_weight, Mapping) else sample_weight
            risk = counterfactual_risk(
                column(y[earlier]),
                column(y[later]),
                y_pred[earlier],
                y_pred[later],
                None if weights is None else column(weights),
                settings["min_propensity"],
            )
            risk *= settings["counterfactual_weight"] * loss_weight(self._compile_loss, later)
            losses[later] = settings["global_weight"] * losses[later] + risk
        return losses

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> tf.Tensor:
        """See Keras; the sum of the tasks' losses and the regularisation losses."""
        losses = self.compute_task_losses(x, y, y_pred, sample_weight, training)
        return tf.add_n([*losses.values(), *map(self._aggregate_additional_loss, self.losses)])
