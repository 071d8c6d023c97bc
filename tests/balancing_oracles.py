"""The balancing methods once more, in NumPy and SciPy, on the gradient vectors themselves (never on a Gram matrix).

Each oracle is made for a run of several steps and maps task gradients [T, D], losses [T] and an order [T, T] to the
update direction [D].
"""

import numpy as np
from loss_oracles import imtl_l
from scipy import optimize


def total():
    """g = sum_t g_t."""
    return lambda gradients, losses, order: gradients.sum(axis=0)


def mean():
    """g = 1/T sum_t g_t over the tasks that have a gradient."""
    return lambda gradients, losses, order: gradients.sum(axis=0) / np.any(gradients != 0, axis=1).sum()


def gradcraft(tau, epsilon, projection="one_shot", magnitude="max", beta=0.0):
    """Norms towards the target, then all conflicts of a task removed at once, or one by one, on the vectors."""
    averages = {}

    def step(gradients, losses, order):
        present = np.flatnonzero(np.any(gradients != 0, axis=1))
        for task in present:
            norm = np.linalg.norm(gradients[task])
            averages[task] = beta * averages.get(task, norm) + (1 - beta) * norm
        norms = np.array([averages[task] for task in present])
        of = {"max": np.max, "mean": np.mean, "median": np.median, "geometric": lambda n: np.exp(np.log(n).mean())}
        target = of[magnitude](norms) if isinstance(magnitude, str) else averages[magnitude]
        crafted = gradients[present] * (tau * target / norms + (1 - tau))[:, np.newaxis]
        if projection == "local":
            order = [[list(present).index(other) for other in order[task] if other in present] for task in present]
            return pcgrad("mean")(crafted, losses, order)
        lengths = np.linalg.norm(crafted, axis=1)
        units = crafted / lengths[:, np.newaxis]
        if projection == "exact":
            return np.mean([nearest(units, own, epsilon * np.linalg.norm(own)) for own in crafted], axis=0)
        projected = []
        for own, length in zip(crafted, lengths, strict=True):
            conflicts = units @ own < 0
            # The shortest change d within the span of the conflicting gradients with <own + d, e_k> = epsilon |own|.
            change = np.linalg.pinv(units[conflicts], rcond=1e-10) @ (epsilon * length - units[conflicts] @ own)
            projected.append(own + change)
        return np.mean(projected, axis=0)

    return step


def nearest(units, vector, products):
    """Returns the d nearest to a vector with <d, e> >= a product for each unit vector e, or None if there is none.

    Least distance programming by non-negative least squares: Lawson and Hanson, "Solving Least Squares Problems", 1974.
    """
    size = np.linalg.norm(vector)
    missing = (products - units @ vector) / size
    target = np.append(np.zeros(units.shape[1]), 1.0)
    coefficients, _ = optimize.nnls(np.vstack([units.T, missing]), target)
    left = np.vstack([units.T, missing]) @ coefficients - target
    return None if np.linalg.norm(left) < 1e-9 else vector - size * left[:-1] / left[-1]


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


def units_of(gradients):
    gradients = gradients[np.any(gradients != 0, axis=1)]
    return gradients / np.linalg.norm(gradients, axis=1, keepdims=True)


def shares_of(gradients, preference):
    counted = np.any(gradients != 0, axis=1) * (1.0 if preference is None else np.array(preference)[: len(gradients)])
    return counted / counted.sum()


def upgrad(preference=None):
    """Every p_i g_i moved to the nearest vector that conflicts with no gradient, and these added up."""

    def step(gradients, losses, order):
        own = gradients * shares_of(gradients, preference)[:, np.newaxis]
        return sum(nearest(units_of(gradients), vector, 0) for vector in own if vector.any())

    return step


def dualproj(preference=None):
    """The vector nearest to the mean that conflicts with no gradient."""

    def step(gradients, losses, order):
        mean = shares_of(gradients, preference) @ gradients
        return nearest(units_of(gradients), mean, 0)

    return step


def mgda(normalization="none"):
    """The shortest convex combination: with x >= 0, |x G|^2 + (sum x - 1)^2 is least at a multiple of it."""

    def step(gradients, losses, order):
        norms = np.linalg.norm(gradients, axis=1)
        divisor = {"none": np.ones_like(norms), "l2": norms, "loss": losses, "loss+": losses * norms}[normalization]
        hull = gradients / divisor[:, np.newaxis]
        hull = hull / np.linalg.norm(hull, axis=1).min()
        x, _ = optimize.nnls(np.vstack([hull.T, np.ones(len(hull))]), np.append(np.zeros(hull.shape[1]), 1.0))
        return x / x.sum() @ gradients

    return step


def cagrad(c, divisor=1.0):
    """Bisection over the smallest gain: the vector nearest to the mean that has it must be as far as the radius."""

    def step(gradients, losses, order):
        if len(gradients) == 1:
            return gradients[0]
        mean, norms = gradients.mean(axis=0), np.linalg.norm(gradients, axis=1)
        radius = c * np.linalg.norm(mean)
        if radius < 1e-15 * norms.max():
            return mean / divisor
        units = gradients / norms[:, np.newaxis]
        high = (gradients @ mean + radius * norms).min()
        low, update = (gradients @ mean).min(), mean
        for _ in range(100):
            gain = (low + high) / 2
            candidate = nearest(units, mean, gain / norms)
            if candidate is None or np.linalg.norm(candidate - mean) > radius:
                high = gain
            else:
                low, update = gain, candidate
        return update / divisor

    return step


def fair(alpha):
    """Weights w = e^z with <g, g_t> = w_t^(-1/alpha), by a general least-squares solver."""

    def step(gradients, losses, order):
        if len(gradients) == 1:
            return gradients[0]
        alone = np.linalg.norm(gradients, axis=1) ** (-2 * alpha / (1 + alpha))

        def left(z):
            weights = alone * np.exp(z)
            return weights ** (1 / alpha) * (gradients @ (weights @ gradients)) - 1

        found = optimize.least_squares(left, np.zeros(len(gradients)), xtol=1e-15, ftol=1e-15, gtol=1e-15)
        assert np.abs(found.fun).max() < 1e-9, found
        return alone * np.exp(found.x) @ gradients

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


def imtl(rate):
    """IMTL-G on the gradients of the scaled losses."""
    scaled, balance = imtl_l(rate), imtl_g()

    def step(gradients, losses, order):
        # One task's gradient is a unit vector here, so that its scale can be read off the sum.
        scales = scaled(np.eye(len(gradients)), losses, order)
        return balance(scales[:, np.newaxis] * gradients, losses, order)

    return step
