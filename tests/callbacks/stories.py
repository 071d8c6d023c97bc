"""Records of task gradients made by hand."""

import numpy as np

TASKS = ("click", "like", "follow")


def epoch(norms, weights=None, cosines=None, conflicts=None, losses=None, gates=(), noted=20, number=1, parts=()):
    """Means of one epoch; by default orthogonal gradients of weight 1, and no gates."""
    count = len(norms)
    return {
        "epoch": number,
        "step": 100 * number,
        "noted_steps": noted,
        "losses": losses or [0.5] * count,
        "norms": list(norms),
        "weights": list(weights or [None if norm is None else 1.0 for norm in norms]),
        "cosines": np.eye(count).tolist() if cosines is None else cosines,
        "conflicts": np.zeros([count, count]).tolist() if conflicts is None else conflicts,
        "conflict": 0.5,
        "residual_conflict": 0.25,
        "parts": list(parts),
        "gates": list(gates),
    }


def story(*epochs, tasks=TASKS, balancing="sum"):
    """A whole story, its steps being the epochs."""
    steps = {"step": [of["step"] for of in epochs]}
    steps |= {name: [of[name] for of in epochs] for name in ("norms", "weights", "conflict", "residual_conflict")}
    return {
        "format": 1,
        "balancing": balancing,
        "over": "parameters",
        "tasks": list(tasks),
        "parts": ["all"],
        "steps": steps,
        "epochs": list(epochs),
        "alerts": [],
    }
