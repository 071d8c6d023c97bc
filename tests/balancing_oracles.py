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


def pcgrad_plus(tau, reduction="sum"):
    """PCGrad on gradients whose norms were moved towards the largest."""
    project = pcgrad(reduction)

    def step(gradients, losses, order):
        norms = np.linalg.norm(gradients, axis=1, keepdims=True)
        longest = gradients / np.where(norms > 0, norms, 1) * norms.max()
        return project(tau * longest + (1 - tau) * gradients, losses, order)

    return step


def gradvac(beta, reduction="sum"):
    """Each vector is turned in the plane of itself and the other, by the law of sines, to the wanted cosine."""
    expected = {}

    def step(gradients, losses, order):
        turned = gradients.astype(float).copy()
        lengths = np.linalg.norm(gradients, axis=1)
        for task, row in enumerate(order):
            for other in row:
                if other == task or lengths[task] == 0 or lengths[other] == 0:
                    continue
                length = np.linalg.norm(turned[task])
                if length < 1e-7 * lengths[task]:
                    length = 0.0
                unit = gradients[other] / lengths[other]
                cosine = np.clip(turned[task] @ unit / length, -1, 1) if length else 0.0
                wanted = expected.get((task, other), 0.0)
                if cosine < wanted:
                    angle, target = np.arccos(cosine), np.arccos(wanted)
                    turned[task] += length * np.sin(angle - target) / np.sin(target) * unit
                expected[task, other] = (1 - beta) * wanted + beta * cosine
        count = (lengths > 0).sum() if reduction == "mean" else 1
        return turned.sum(axis=0) / count

    return step


def db_mtl():
    """Gradients of log-losses, each scaled to the norm of the largest; one alone is left as it is."""

    def step(gradients, losses, order):
        some = np.any(gradients != 0, axis=1)
        if some.sum() < 2:
            return gradients.sum(axis=0)
        of_logs = gradients[some] / losses[some, np.newaxis]
        norms = np.linalg.norm(of_logs, axis=1)
        return (of_logs / norms[:, np.newaxis] * norms.max()).sum(axis=0)

    return step


def _equal_cosines(units):
    """The direction whose products with the unit vectors are as near to 1 as can be; zero if none is nearer."""
    direction = np.linalg.pinv(units, rcond=1e-7) @ np.ones(len(units))
    return direction * (np.linalg.norm(direction) > 1e-12)


def imtl_g():
    """Equal projections on all gradients, and weights that add up to 1; from the pseudo-inverse of the vectors."""

    def step(gradients, losses, order):
        gradients = gradients[np.any(gradients != 0, axis=1)]
        norms = np.linalg.norm(gradients, axis=1, keepdims=True)
        units = gradients / norms
        direction = _equal_cosines(units)
        weights = np.linalg.pinv(units.T, rcond=1e-7) @ direction / norms[:, 0]
        if abs(weights.sum()) <= 1e-10 * np.abs(weights).sum():
            return np.zeros_like(direction)
        return direction / weights.sum()

    return step


def config():
    """The direction of equal cosines, as long as the gradients reach along it together."""

    def step(gradients, losses, order):
        gradients = gradients[np.any(gradients != 0, axis=1)]
        direction = _equal_cosines(gradients / np.linalg.norm(gradients, axis=1, keepdims=True))
        square = direction @ direction
        return (gradients @ direction).sum() / square * direction if square else direction

    return step


def aligned_mtl(scale, reduction="mean"):
    """The gradients' singular values are all set to one of them (or a mean): U S V -> U s V; from the vectors' SVD."""
    common = {"min": np.min, "median": np.median, "rmse": np.mean}[scale]

    def step(gradients, losses, order):
        gradients = gradients[np.any(gradients != 0, axis=1)]
        left, singular, right = np.linalg.svd(gradients, full_matrices=False)
        kept = singular**2 > len(gradients) * np.finfo(float).eps * singular[0] ** 2
        aligned = np.sqrt(common(singular[kept] ** 2)) * left[:, kept] @ right[kept]
        return aligned.mean(axis=0) if reduction == "mean" else aligned.sum(axis=0)

    return step
