"""The balancing methods once more, in NumPy, on the gradient vectors themselves (never on a Gram matrix).

Each oracle is made for a run of several steps and maps task gradients [T, D], losses [T] and an order [T, T] to the
update direction [D].
"""

import numpy as np


def total():
    """g = sum_t g_t."""
    return lambda gradients, losses, order: gradients.sum(axis=0)


def mean():
    """g = 1/T sum_t g_t over the tasks that have a gradient."""
    return lambda gradients, losses, order: gradients.sum(axis=0) / np.any(gradients != 0, axis=1).sum()


def gradcraft(tau, epsilon):
    """Norms towards the largest, then all conflicts of a task removed at once, by least squares on the vectors."""

    def step(gradients, losses, order):
        gradients = gradients[np.any(gradients != 0, axis=1)]
        norms = np.linalg.norm(gradients, axis=1)
        crafted = gradients * (tau * norms.max() / norms + (1 - tau))[:, np.newaxis]
        lengths = np.linalg.norm(crafted, axis=1)
        projected = []
        for own, length in zip(crafted, lengths, strict=True):
            conflicts = crafted @ own < 0
            if not conflicts.any():
                projected.append(own)
                continue
            # The shortest change d within the span of the conflicting gradients with <own + d, e_k> = epsilon |own|.
            units = crafted[conflicts] / lengths[conflicts, np.newaxis]
            change = np.linalg.pinv(units, rcond=1e-10) @ (epsilon * length - units @ own)
            projected.append(own + change)
        return np.mean(projected, axis=0)

    return step


def metabalance(relax, beta, strategy, target):
    """Moving averages of norms; auxiliary gradients scaled towards the target's."""
    averages = {}

    def step(gradients, losses, order):
        for task, gradient in enumerate(gradients):
            if np.any(gradient != 0):
                averages[task] = beta * averages.get(task, 0.0) + (1 - beta) * np.linalg.norm(gradient)
        update = np.zeros(gradients.shape[1])
        for task, gradient in enumerate(gradients):
            scale = 1.0
            if task != target and task in averages and target in averages:
                ratio = averages[target] / averages[task]
                if strategy == "C" or (strategy == "A" and ratio < 1) or (strategy == "B" and ratio > 1):
                    scale = relax * ratio + (1 - relax)
            update += scale * gradient
        return update

    return step


def pcgrad(reduction):
    """Sequential projection of each task's vector off the tasks that it meets, in the given order."""

    def step(gradients, losses, order):
        projected = gradients.astype(float).copy()
        for task, row in enumerate(order):
            for other in row:
                product = projected[task] @ gradients[other]
                if other != task and product < 0:
                    projected[task] -= product / (gradients[other] @ gradients[other]) * gradients[other]
        count = np.any(gradients != 0, axis=1).sum() if reduction == "mean" else 1
        return projected.sum(axis=0) / count

    return step
