"""Which rows of which pass make which batch: the same for every way of reading."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How the rows of a split become batches.

    In a pass (an epoch) all rows have one order, the same for all workers: ascending, or drawn from the seed. It is cut
    into one piece of consecutive places a worker, equal but for one row, and each piece into batches.

    Args:
        rows: Rows of the split.
        batch_size: Rows a batch of this worker.
        seed: Seed of a new order each pass, or None for ascending order.
        drop_remainder: Whether to leave out the last, smaller batch of a pass. Every worker then has the same number
            of batches.
        num_workers: Number of workers that share the rows.
        worker: Which of them this is, from 0.
        repeat: Whether passes follow each other without end.
        start_step: With `repeat`: the number of batches, over all passes, that were read before.

    Raises:
        ValueError: If a number is out of range, or there is nothing to repeat.

    Example:
        >>> plan = Plan(rows=10, batch_size=2, num_workers=3, worker=2)
        >>> plan.start, plan.stop, plan.steps
        (6, 10, 2)
    """

    rows: int
    batch_size: int
    seed: int | None = None
    drop_remainder: bool = False
    num_workers: int = 1
    worker: int = 0
    repeat: bool = False
    start_step: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")
        if not 0 <= self.worker < self.num_workers:
            raise ValueError(
                f"worker must be from 0 to num_workers - 1, got worker={self.worker}, num_workers={self.num_workers}"
            )
        if self.start_step < 0:
            raise ValueError(f"start_step must not be negative, got {self.start_step}")
        if self.start_step and not self.repeat:
            raise ValueError(
                "start_step needs repeat=True: a place in an endless stream. See docs/reading.md on how to resume"
            )
        if self.repeat and not self.steps:
            raise ValueError(
                f"no batch to repeat: batches of {self.batch_size} (drop_remainder={self.drop_remainder}) from "
                f"{self.rows} rows for {self.num_workers} workers; take a smaller batch_size or fewer workers"
            )

    @property
    def start(self) -> int:
        """First place of this worker in the order of a pass."""
        return self.worker * self.rows // self.num_workers

    @property
    def stop(self) -> int:
        """Place after the last one of this worker."""
        stop = (self.worker + 1) * self.rows // self.num_workers
        if self.drop_remainder:
            stop = self.start + self.rows // self.num_workers // self.batch_size * self.batch_size
        return stop

    @property
    def steps(self) -> int:
        """Number of batches of a pass."""
        return -(-(self.stop - self.start) // self.batch_size)


def passes(plan: Plan, one_pass: Callable[[tf.Tensor, tf.Tensor], tf.data.Dataset]) -> tf.data.Dataset:
    """Returns a dataset of one pass after another, or of one new pass for each iteration.

    Args:
        plan: The plan; with `plan.repeat` the stream starts at `plan.start_step`, whatever iterator reads it.
        one_pass: Makes the dataset of one pass from the seed of its order (int64 [2]) and from the place in the order
            where it begins (int64 scalar).

    Example:
        >>> plan = Plan(rows=5, batch_size=2, repeat=True, start_step=4)
        >>> places = lambda seed, first: tf.data.Dataset.range(first, plan.stop).batch(plan.batch_size)
        >>> [batch.numpy().tolist() for batch in passes(plan, places).take(3)]
        [[2, 3], [4], [0, 1]]
    """
    start = tf.constant(plan.start, tf.int64)
    if plan.repeat:
        first_pass, steps_before = divmod(plan.start_step, plan.steps)

        def numbered(number: tf.Tensor) -> tf.data.Dataset:
            begin = tf.where(number == first_pass, start + steps_before * plan.batch_size, start)
            return one_pass(tf.stack([tf.constant(plan.seed or 0, tf.int64), number]), begin)

        # No state beside the iterator's own: every iterator begins at start_step.
        return tf.data.Dataset.counter(first_pass).flat_map(numbered)
    if plan.seed is None:
        dataset = one_pass(tf.zeros(2, tf.int64), start)
    else:
        # One number a pass: each iteration draws the next one of a sequence that the seed fixes.
        seeds = tf.data.Dataset.random(seed=plan.seed, rerandomize_each_iteration=True).take(1)
        rows = tf.constant(plan.rows, tf.int64)
        dataset = seeds.flat_map(lambda number: one_pass(tf.stack([number, rows]), start))
    return dataset.apply(tf.data.experimental.assert_cardinality(plan.steps))
