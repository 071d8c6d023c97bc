"""What all runs of a comparison have in common."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """What all runs of a comparison have in common; the names are those of the options of `train`.

    Learning rate and dropout are those of each method's first trial.
    """

    model: str = "ple"
    epochs: int = 20
    patience: int = 3
    batch_size: int = 2048
    learning_rate: float = 1e-3
    dropout: float = 0.2
    embedding_dim: int = 16
    backbone: str = "mlp"
    l2: float = 0.0
    expert_units: str | None = None
    tower_units: str | None = None
    balance_over: str = "parameters"
    balance_every: int = 1

    def options(self, learning_rate: float, dropout: float) -> list[str]:
        """Returns the options of `train`, with a learning rate and a dropout."""
        values = {**dataclasses.asdict(self), "learning_rate": learning_rate, "dropout": dropout}
        given = {f"--{name.replace('_', '-')}": str(value) for name, value in values.items() if value is not None}
        return [word for pair in given.items() for word in pair]
