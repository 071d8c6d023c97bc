"""Task gradients across the replicas of a `tf.distribute` strategy.

The Gram matrix that counts is that of the summed gradients (the mean of the replicas' Gram matrices is a different
thing), so task gradients are brought together before it is taken. Keras scales losses by the number of replicas; the
sum over replicas is then the gradient of the whole batch.
"""

from __future__ import annotations

import tensorflow as tf

from tf_gradcraft.gradients.rows import unify_rows


def replica_count() -> int:
    """Returns the number of replicas that take this step together."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def sum_over_replicas(dense: tf.Tensor) -> tf.Tensor:
    """Returns the sum of a dense tensor over all replicas."""
    if replica_count() == 1:
        return dense
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, dense)


def gather_rows(indices: tf.Tensor, rows: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Returns the union of the replicas' sparse rows, each index once, its rows added up.

    Args:
        indices: Unique indices [U] of this replica.
        rows: For each task rows [U, ...].
    """
    if replica_count() == 1:
        return indices, rows
    context = tf.distribute.get_replica_context()
    everywhere = context.all_gather(indices, axis=0)
    gathered = context.all_gather(tf.stack(rows, axis=1), axis=0)
    return unify_rows(
        [tf.IndexedSlices(of_task, everywhere) for of_task in tf.unstack(gathered, num=len(rows), axis=1)]
    )
