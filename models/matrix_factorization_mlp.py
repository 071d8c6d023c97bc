"""MetaBalance's network: matrix factorisation and a multilayer perceptron over shared tables, a tower a behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_gradcraft.data_pipelines.schema import Schema
from tf_gradcraft.models.embeddings import FeatureEmbeddings
from tf_gradcraft.models.mlp import MLP
from tf_gradcraft.models.schema_model import SchemaModel, as_schema
from tf_gradcraft.suggestions import unknown_name
from tf_gradcraft.training import SharedRepresentation


@keras.saving.register_keras_serializable("tf_gradcraft")
class MatrixFactorizationMLP(SchemaModel):
    r"""Matrix factorisation + MLP of user and item, shared by all behaviours, and a tower for each.

    With the embeddings $p_u$ and $q_i$: $h_{ui} = [p_u \odot q_i ; \mathrm{MLP}([p_u ; q_i])]$, and the probability of
    behaviour t is the sigmoid of its tower on $h_{ui}$.

    He et al., "MetaBalance: Improving Multi-Task Recommendations via Adapting Gradient Magnitudes of Auxiliary Tasks",
    WWW 2022, after He et al., "Neural Collaborative Filtering", WWW 2017. Defaults are the paper's.
    Matrix factorisation and MLP read the same two tables. Each table is a variable of its own, so that the parts of
    `MetaBalance(parts="variable")` are the paper's; its gradient is sparse.

    Shared: tables and MLP. Private: towers. Marked: $h_{ui}$.

    Args:
        schema: A schema with two categorical features, user and item, such as that of `PreparedPairs`.
        mlp_units: Widths of the shared MLP.
        embedding_dim: Length of an embedding.
        tower_units: Widths of each behaviour's tower.
        dropout: Dropout in MLP and towers.
        **kwargs: See `SchemaModel`: `l2` (on looked-up rows and on the kernels of MLP and towers), `name`.

    Raises:
        ValueError: If the schema has other features.

    Example:
        >>> from tf_gradcraft.data_pipelines.schema import Feature, Task
        >>> features = [Feature(name=name, kind="categorical", dtype="int64", size=9) for name in ("user", "item")]
        >>> model = MatrixFactorizationMLP(Schema(features=features, tasks=[Task(name="buy"), Task(name="view")]))
        >>> predictions = model({"user": tf.constant([1, 2]), "item": tf.constant([3, 3])})
        >>> predictions["buy"].shape, model.score_all_items(tf.constant([1, 2]), "buy").shape
        (TensorShape([2, 1]), TensorShape([2, 9]))
        >>> model.score_items(tf.constant([1, 2]), tf.constant([3, 5, 7]), "buy").shape
        TensorShape([2, 3])
    """

    def __init__(
        self,
        schema: Schema,
        *,
        mlp_units: Sequence[int] = (32, 16, 8),
        embedding_dim: int = 64,
        tower_units: Sequence[int] = (64, 32),
        dropout: float = 0.5,
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        schema = as_schema(schema)
        if len(schema.features) != 2 or len(schema.of_kind("categorical")) != 2:
            raise ValueError(
                "MatrixFactorizationMLP needs two categorical features, user and item; the schema has "
                f"{', '.join(schema.feature_names)}. Choose two with schema.select(features=...)"
            )
        if not mlp_units or not tower_units:
            raise ValueError("MatrixFactorizationMLP: mlp_units and tower_units must name at least one width each")

        def represent(encoded: tuple[Any, Any]) -> list[Any]:
            user, item = encoded
            product = keras.layers.Multiply(name="matrix_factorization")([user, item])
            pair = keras.layers.Concatenate(name="pair")([user, item])
            deep = MLP(mlp_units, dropout=dropout, l2=l2, name="mlp")(pair)
            shared = keras.layers.Concatenate(name="shared")([product, deep])
            return [SharedRepresentation(name="representation")(shared)] * len(schema.tasks)

        super().__init__(
            schema,
            represent,
            {"mlp_units": list(mlp_units)},
            embedding_dim=embedding_dim,
            tower_units=tower_units,
            dropout=dropout,
            l2=l2,
            **kwargs,
        )

    @staticmethod
    def encode(schema: Schema, inputs: Mapping[str, Any], embedding_dim: int, l2: float, backbone: str) -> Any:
        """Returns the embeddings [B, D] of user and item, each from a table of its own."""
        if backbone != "mlp":
            raise ValueError(f"MatrixFactorizationMLP has an interaction of its own; leave backbone={backbone!r} out")
        encoded = []
        for feature in schema.features:
            sizes = {str(feature.table): int(feature.size or 0)}
            embeddings = FeatureEmbeddings(
                {feature.name: str(feature.table)}, sizes, embedding_dim, l2=l2, name=f"{feature.name}_embeddings"
            )
            looked_up = embeddings({feature.name: inputs[feature.name]})
            encoded.append(keras.layers.Flatten(name=f"{feature.name}_embedded")(looked_up))
        return tuple(encoded)

    def score_all_items(self, users: tf.Tensor, task: str, *, items_at_once: int = 3000) -> tf.Tensor:
        """Returns the logit of a behaviour for every item: what `AllItemsRanking` ranks by.

        Args:
            users: Ids of users [B].
            task: The behaviour.
            items_at_once: Most items of a block, see `score_items`.

        Returns:
            float32 [B, number of item ids], id 0 (unknown) included.

        Raises:
            ValueError: If there is no such behaviour, or `items_at_once` is below 1.
        """
        number = int(self.schema.features[1].size or 0)
        return self.score_items(users, tf.range(number), task, items_at_once=items_at_once)

    def score_items(self, users: tf.Tensor, items: tf.Tensor, task: str, *, items_at_once: int = 3000) -> tf.Tensor:
        """Returns the logit of a behaviour for each of these users and each of these items.

        The first layers are linear in user and item before their activation. So the MLP's first layer is computed once
        an item and once a user and added; in the tower's first layer the user's embedding multiplies the rows of the
        kernel instead of the items' embeddings. Each user is sent through a block of items alone: what lies between
        two layers then stays in the cache of a core. Two users at a time keep two cores busy.

        Args:
            users: Ids of users [B].
            items: Ids of items [S].
            task: The behaviour.
            items_at_once: Most items of a block.

        Returns:
            float32 [B, S].

        Raises:
            ValueError: If there is no such behaviour, or `items_at_once` is below 1.
        """
        if task not in self.schema.task_names:
            raise ValueError(unknown_name("task", task, self.schema.task_names))
        if items_at_once < 1:
            raise ValueError(f"items_at_once must be at least 1, got {items_at_once}")
        tables = [self.get_layer(f"{name}_embeddings").embeddings for name in self.schema.feature_names]
        user, item = (
            tf.gather(tf.convert_to_tensor(table), ids) for table, ids in zip(tables, (users, items), strict=True)
        )
        dimension = item.shape[1]
        first, *layers = self.get_layer("mlp").dense
        tower, *tower_layers = self.get_layer(f"{task}_tower").dense
        logit = self.get_layer(f"{task}_logit")
        of_user = user @ first.kernel[:dimension] + first.bias
        blocks = in_blocks(item, items_at_once), in_blocks(item @ first.kernel[dimension:], items_at_once)

        def of_pairs(user: tf.Tensor, of_user: tf.Tensor, item: tf.Tensor, of_item: tf.Tensor) -> tf.Tensor:
            """Logits of a user [D] and each item of a block [S, D], without the last bias."""
            deep = through(layers, first.activation(of_item + of_user))
            kernel = tf.concat([user[:, tf.newaxis] * tower.kernel[:dimension], tower.kernel[dimension:]], axis=0)
            hidden = dense(tf.concat([item, deep], axis=1), kernel, tower)
            return tf.linalg.matvec(through(tower_layers, hidden), logit.kernel[:, 0])

        def of_block(block: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            """Logits [B, S] of all users and a block of items."""
            return tf.map_fn(
                lambda of_one: of_pairs(of_one[0], of_one[1], block[0], block[1]),
                (user, of_user),
                fn_output_signature=tf.float32,
                parallel_iterations=2,
            )

        logits = tf.map_fn(of_block, blocks, fn_output_signature=tf.float32, parallel_iterations=1)
        # Of no users the eager map_fn returns a tensor of two dimensions.
        count, size = tf.unstack(tf.shape(blocks[0])[:2])
        logits = tf.transpose(tf.reshape(logits, [count, tf.shape(user)[0], size]), [1, 0, 2])
        logits = tf.reshape(logits, [tf.shape(user)[0], count * size])
        return logits[:, : tf.shape(item)[0]] + logit.bias


def in_blocks(rows: tf.Tensor, most: int) -> tf.Tensor:
    """Cuts rows [I, D] into N equal blocks [N, S, D] with S <= `most`; behind the last row stand zeros.

    Example:
        >>> in_blocks(tf.constant([[1], [2], [3]]), most=2).numpy().tolist()
        [[[1], [2]], [[3], [0]]]
    """
    number, larger = (tf.shape(rows)[0], tf.maximum) if rows.shape[0] is None else (rows.shape[0], max)
    count = larger(-(-number // most), 1)
    size = -(-number // count)
    return tf.reshape(tf.pad(rows, [[0, count * size - number], [0, 0]]), [count, size, rows.shape[1]])


def dense(values: tf.Tensor, kernel: tf.Tensor, layer: Any) -> tf.Tensor:
    """Sends values [B, D] through a dense layer with this kernel, in operations that TensorFlow fuses into one."""
    return layer.activation(tf.nn.bias_add(tf.matmul(values, kernel), layer.bias))


def through(layers: Sequence[Any], values: tf.Tensor) -> tf.Tensor:
    """Sends values [B, D] through dense layers, one after the other."""
    for layer in layers:
        values = dense(values, layer.kernel, layer)
    return values
