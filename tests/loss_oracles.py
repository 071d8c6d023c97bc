"""Oracles of the methods that look at the losses, see `balancing_oracles.py`.

A task without gradient has no loss either, and is left out.
"""

import numpy as np


def fixed(weights):
    """Constant weights, in the order of the tasks."""
    return lambda gradients, losses, order: np.array(weights[: len(gradients)]) @ gradients


class Adam:
    """One learned number: Adam as in Kingma and Ba's paper."""

    def __init__(self, start, rate):
        self.value, self.rate = start, rate
        self.mean = self.square = 0.0
        self.steps = 0

    def step(self, gradient):
        self.steps += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        mean, square = self.mean / (1 - 0.9**self.steps), self.square / (1 - 0.999**self.steps)
        self.value -= self.rate * mean / (square**0.5 + 1e-8)


class OnePerTask(dict):
    """A learned number for each task, made when the task is first met."""

    def __init__(self, start, rate):
        super().__init__()
        self.make = lambda: Adam(start, rate)

    def __missing__(self, task):
        return self.setdefault(task, self.make())


def present(losses):
    return [task for task, loss in enumerate(losses) if loss != 0]


def uncertainty_weighting(rate):
    """Descends on exp(-s) L + s/2 by finite differences of that objective."""
    learned = OnePerTask(0.0, rate)

    def step(gradients, losses, order):
        update = np.zeros(gradients.shape[1])
        for task in present(losses):
            log_variance = learned[task].value
            update += gradients[task] / np.exp(log_variance)

            def objective(s, loss=losses[task]):
                return loss / np.exp(s) + s / 2

            learned[task].step((objective(log_variance + 1e-5) - objective(log_variance - 1e-5)) / 2e-5)
        return update

    return step


def dwa(temperature):
    """Every step an epoch: weights from the ratio of the last two losses of a task."""
    history = {}

    def step(gradients, losses, order):
        tasks = present(losses)
        speeds = {}
        for task in tasks:
            past = history.setdefault(task, [])
            speeds[task] = np.exp((past[-1] / past[-2] if len(past) > 1 else 1.0) / temperature)
            past.append(losses[task])
        return sum(len(tasks) * speeds[task] / sum(speeds.values()) * gradients[task] for task in tasks)

    return step


def rlw():
    """Softmax of draws, for which the losses stand in."""

    def step(gradients, losses, order):
        exponentials = np.exp(losses) * np.any(gradients != 0, axis=1)
        return exponentials / exponentials.sum() @ gradients

    return step


def gls():
    """The gradient of the geometric mean of the losses, by the product rule."""

    def step(gradients, losses, order):
        tasks = present(losses)
        mean = np.prod([losses[task] ** (1 / len(tasks)) for task in tasks])
        return sum(mean * gradients[task] / (len(tasks) * losses[task]) for task in tasks)

    return step


def stch(mu, preference=(1.0,) * 16, ideal=(0.0,) * 16):
    """The gradient of the smooth maximum, by finite differences in each loss."""

    def objective(losses):
        terms = [p * (loss - z) / mu for p, loss, z in zip(preference, losses, ideal, strict=False)]
        largest = max(terms)
        return mu * (largest + np.log(sum(np.exp(term - largest) for term in terms)))

    def step(gradients, losses, order):
        nudges = 1e-6 * np.eye(len(losses))
        slopes = [(objective(losses + nudge) - objective(losses - nudge)) / 2e-6 for nudge in nudges]
        return np.array(slopes) @ gradients

    return step


def stch_of_logs(mu):
    """One step is the warm-up; then the smooth maximum of log losses relative to it."""
    reference = {}

    def step(gradients, losses, order):
        tasks = present(losses)
        if not reference:
            reference.update({task: losses[task] for task in tasks})
            return sum(gradients[task] / losses[task] for task in tasks) / len(tasks)
        powers = {task: (losses[task] / reference[task]) ** (1 / mu) for task in tasks}
        return sum(powers[task] / sum(powers.values()) / losses[task] * gradients[task] for task in tasks)

    return step


def losses_after(losses):
    """What the tests of FAMO take for the losses of a batch after its update."""
    return losses * (0.6 + 0.3 * np.cos(3 * losses))


def famo(rate, decay, min_losses=(0.0,) * 16):
    """Weights z/D, and steps on the logits by the Jacobian of the softmax."""
    learned = OnePerTask(0.0, rate)

    def step(gradients, losses, order):
        tasks = present(losses)
        if not tasks:
            return np.zeros(gradients.shape[1])
        logits = np.array([learned[task].value for task in tasks])
        shares = np.exp(logits) / np.exp(logits).sum()
        floor = np.array(min_losses)[tasks]
        excess = np.maximum(losses[tasks] - floor, 0) + 1e-8
        excess_after = np.maximum(losses_after(losses)[tasks] - floor, 0) + 1e-8
        jacobian = np.diag(shares) - np.outer(shares, shares)
        slope = jacobian @ (np.log(excess) - np.log(excess_after)) + decay * logits
        for task, of_task in zip(tasks, slope, strict=True):
            learned[task].step(of_task)
        return shares / excess @ gradients[tasks] / (shares / excess).sum()

    return step


def gradnorm(alpha, rate):
    """Weights that follow the sign of each task's distance to its target norm, and add up to the number of tasks."""
    learned, first = OnePerTask(1.0, rate), {}

    def step(gradients, losses, order):
        tasks = present(losses)
        for task in tasks:
            first.setdefault(task, losses[task])
        weights = np.array([learned[task].value for task in tasks])
        total = weights.sum()
        weights = weights * len(tasks) / max(total, 1e-300)
        update = weights @ gradients[tasks]
        norms = np.linalg.norm(gradients[tasks], axis=1)
        progress = np.array([losses[task] / first[task] for task in tasks])
        targets = np.mean(weights * norms) * (progress / progress.mean()) ** alpha
        for task, weight, norm, target in zip(tasks, weights, norms, targets, strict=True):
            learned[task].step(np.sign(weight * norm - target) * norm / norms.mean())
        moved = sum(learned[task].value for task in tasks)
        for task in tasks:
            learned[task].value *= total / moved
        return update

    return step


def imtl_l(rate):
    """Descends on exp(s) L - s by finite differences of that objective."""
    learned = OnePerTask(0.0, rate)

    def step(gradients, losses, order):
        update = np.zeros(gradients.shape[1])
        for task in present(losses):
            scale = learned[task].value
            update += np.exp(scale) * gradients[task]

            def objective(s, loss=losses[task]):
                return np.exp(s) * loss - s

            learned[task].step((objective(scale + 1e-5) - objective(scale - 1e-5)) / 2e-5)
        return update

    return step
