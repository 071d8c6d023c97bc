"""The same network and data in PyTorch with TorchJD, for comparison.

Not part of the project's environment: `python -m venv torch-env && torch-env/bin/pip install numpy torch torchjd`, then
`torch-env/bin/python benchmarks/torchjd_step.py --rows 100000 --tasks 6`. Run it right before or after
`step_time.py cell` on the same machine; the two can't share a process.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torchjd.aggregation import PCGrad
from torchjd.autojac import jac_to_grad, mtl_backward

LOOKUPS, DIMENSION, BATCH, EXPERTS, UNITS, TOWER = 8, 16, 2048, 7, (256, 128, 64), (32, 16)


def dense(widths):
    layers = []
    for a, b in zip(widths, widths[1:]):  # noqa: B905, RUF007 (any Python that PyTorch runs on)
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)


class MMoE(torch.nn.Module):
    def __init__(self, tasks, rows):
        super().__init__()
        width = LOOKUPS * DIMENSION
        self.table = torch.nn.Embedding(rows, DIMENSION)
        self.experts = torch.nn.ModuleList(dense((width, *UNITS)) for _ in range(EXPERTS))
        self.gates = torch.nn.ModuleList(torch.nn.Linear(width, EXPERTS, bias=False) for _ in range(tasks))
        self.towers = torch.nn.ModuleList(
            torch.nn.Sequential(dense((UNITS[-1], *TOWER)), torch.nn.Linear(TOWER[-1], 1)) for _ in range(tasks)
        )

    def forward(self, ids):
        x = self.table(ids).flatten(1)
        experts = torch.stack([expert(x) for expert in self.experts], dim=1)
        seen = x.clone()
        mixtures = [(torch.softmax(gate(seen), -1)[:, :, None] * experts).sum(1) for gate in self.gates]
        # What all tasks take from the shared part, for `mtl_backward`.
        self.features = [seen, experts]
        return [tower(mixture)[:, 0] for tower, mixture in zip(self.towers, mixtures)]  # noqa: B905


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=6)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    torch.manual_seed(1)
    random = np.random.default_rng(0)
    model = MMoE(args.tasks, args.rows)
    ids = torch.from_numpy(random.integers(1, args.rows, (20, BATCH, LOOKUPS)))
    labels = torch.from_numpy(random.integers(0, 2, (20, args.tasks, BATCH)).astype("float32"))
    optimizer, aggregator = torch.optim.Adam(model.parameters(), 1e-3), PCGrad()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    private = {id(p) for module in (model.gates, model.towers) for p in module.parameters()}
    shared = [parameter for parameter in model.parameters() if id(parameter) not in private]
    of_task = [[*gate.parameters(), *tower.parameters()] for gate, tower in zip(model.gates, model.towers)]  # noqa: B905
    times = {"torch adam": [], "torchjd": []}
    for step in range(2 * args.steps + 4):
        mode = ("torch adam", "torchjd")[step % 2]
        begun = time.perf_counter()
        optimizer.zero_grad()
        logits = model(ids[step % 20])
        losses = [entropy(of, label) for of, label in zip(logits, labels[step % 20])]  # noqa: B905
        if mode == "torchjd":
            mtl_backward(losses, features=model.features, tasks_params=of_task, shared_params=shared)
            jac_to_grad(shared, aggregator, optimize_gramian_computation=True)
        else:
            sum(losses).backward()
        optimizer.step()
        if step >= 4:
            times[mode].append((time.perf_counter() - begun) * 1e3)
    for mode, of_mode in times.items():
        print(
            f"{mode:12s} V = {args.rows}, T = {args.tasks}: median {np.median(of_mode):.0f} ms, min {min(of_mode):.0f}"
        )


if __name__ == "__main__":
    main()
