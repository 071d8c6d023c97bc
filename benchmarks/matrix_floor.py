"""What the matrix products of the experts alone take: a floor for plain training, and for one backward pass a task."""

from __future__ import annotations

import itertools
import time

import numpy as np
import tensorflow as tf
from step_network import BATCH, DIMENSION, EXPERTS, LOOKUPS, UNITS


def measure_floor(tasks: int, turns: int) -> list[dict]:
    """Returns median and minimum times in ms, the two taken in turn."""
    random = np.random.default_rng(0)
    widths = [LOOKUPS * DIMENSION, *UNITS]

    def matrices(*shape):
        return tf.constant(random.normal(size=shape).astype("float32"))

    inputs = [[matrices(BATCH, width) for width in widths[:-1]] for _ in range(EXPERTS)]
    kernels = [[matrices(a, b) for a, b in itertools.pairwise(widths)] for _ in range(EXPERTS)]
    outputs = [[matrices(BATCH, widths[-1]) for _ in range(EXPERTS)] for _ in range(tasks)]

    def products(inputs, kernels, outputs):
        results = []
        for of_expert, kernels_of_expert in zip(inputs, kernels, strict=True):
            results += [tf.matmul(x, kernel) for x, kernel in zip(of_expert, kernels_of_expert, strict=True)]
        for of_task in outputs:
            for of_expert, kernels_of_expert, gradient in zip(inputs, kernels, of_task, strict=True):
                for x, kernel in zip(reversed(of_expert), reversed(kernels_of_expert), strict=True):
                    results.append(tf.matmul(x, gradient, transpose_a=True))
                    gradient = tf.matmul(gradient, kernel, transpose_b=True)
                results.append(gradient)
        # A look at one number of each result keeps it from being left out.
        return tf.add_n([result[0, 0] for result in results])

    compiled, times = tf.function(products), {"one pass": [], "a pass a task": []}
    passes = {"one pass": outputs[:1], "a pass a task": outputs}
    for turn in range(turns * 4 + 2):
        for name, taken in passes.items():
            begun = time.perf_counter()
            compiled(inputs, kernels, taken).numpy()
            if turn >= 2:
                times[name].append((time.perf_counter() - begun) * 1e3)
    return [
        {"tasks": tasks, "mode": name, "median": float(np.median(of_name)), "minimum": min(of_name)}
        for name, of_name in times.items()
    ]
