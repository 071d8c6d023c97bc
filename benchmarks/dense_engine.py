"""The obvious way to balance gradients, as a reference: every gradient dense and flat, once a task."""

from __future__ import annotations

import tensorflow as tf

from tf_gradcraft import MultiTaskModel
from tf_gradcraft.balancing import GradCraft


class DenseEngineModel(MultiTaskModel):
    """A functional model whose step flattens all gradients of each task into one row of a T x parameters matrix."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape(persistent=True) as tape:
            predictions = self(x, training=True)
            losses = self.compute_task_losses(x, y, predictions)
        variables = self.trainable_variables
        rows = []
        for loss in losses.values():
            gradients = tape.gradient(loss, [variable.value for variable in variables])
            dense = [
                tf.zeros(variable.shape) if gradient is None else tf.convert_to_tensor(gradient)
                for gradient, variable in zip(gradients, variables, strict=True)
            ]
            rows.append(tf.concat([tf.reshape(gradient, [-1]) for gradient in dense], axis=0))
        matrix = tf.stack(rows)
        gram = tf.matmul(matrix, matrix, transpose_b=True)
        weights, _ = GradCraft().weights(gram[tf.newaxis], tf.stack(list(losses.values())), {})
        flat = tf.linalg.matvec(matrix, tf.cast(weights[0], tf.float32), transpose_a=True)
        pieces = tf.split(flat, [variable.shape.num_elements() for variable in variables])
        updates = [tf.reshape(piece, variable.shape) for piece, variable in zip(pieces, variables, strict=True)]
        self.optimizer.apply(updates, variables)
        return self.compute_metrics(x, y, predictions)
