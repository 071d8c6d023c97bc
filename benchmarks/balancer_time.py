"""Time of each balancing method inside a compiled step, on one core: `python benchmarks/balancer_time.py`.

A step is a compiled function that takes fresh Gram matrices, losses and the state, and returns weights and state. What
calling such a function costs by itself is measured with one that only passes its inputs on, and taken off. Methods are
timed in turn, in random order, several rounds, every round on other gradients; the table holds medians in microseconds.
Where gradients outnumber dimensions (`--dimension 8`) they cancel out, which is the hardest case for the solvers.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from tf_gradcraft import balancing


def step_of(balancer: balancing.Balancer | None, num_tasks: int, jit_compile: bool):
    """Returns a function that takes a step with a Gram matrix and losses and waits for the weights."""
    state = balancer.init(num_tasks) if balancer else {}

    @tf.function(jit_compile=jit_compile, autograph=False)
    def weights(gram, losses, state):
        return balancer.weights(gram, losses, state) if balancer else (gram[:, 0] + losses, state)

    def step(gram, losses) -> None:
        weights(gram, losses, state)[0].numpy()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[2, 4, 8, 16, 32])
    parser.add_argument("--methods", nargs="+", default=list(balancing.names()), choices=balancing.names())
    parser.add_argument("--dimension", type=int, default=1000, help="of the random gradients")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--jit-compile", action="store_true", help="compile with XLA")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    balancers = {name: balancing.get(name) for name in arguments.methods}
    balancers["gradcraft, exact"] = balancing.get("gradcraft", projection="exact")
    medians: dict[str, list[float]] = {name: [] for name in balancers}
    for num_tasks in arguments.tasks:
        random = np.random.default_rng(num_tasks)
        steps = {name: step_of(balancer, num_tasks, arguments.jit_compile) for name, balancer in balancers.items()}
        steps[""] = step_of(None, num_tasks, arguments.jit_compile)
        times: dict[str, list[float]] = {name: [] for name in steps}
        for number in range(arguments.rounds + 1):
            gradients = random.normal(size=(num_tasks, arguments.dimension))
            gradients *= np.exp(random.normal(size=(num_tasks, 1)))
            gram, losses = tf.constant((gradients @ gradients.T)[np.newaxis]), tf.constant(random.random(num_tasks))
            # In another order each time: what runs right after a slow step pays for it.
            for name in random.permutation(list(steps)):
                start = time.perf_counter()
                steps[name](gram, losses)
                # The first round traces.
                if number:
                    times[name].append(time.perf_counter() - start)
        call = statistics.median(times[""])
        for name in balancers:
            medians[name].append(1e6 * (statistics.median(times[name]) - call))

    kind = "XLA" if arguments.jit_compile else "graph"
    print(f"{kind}, {arguments.dimension} dimensions, medians of {arguments.rounds} rounds, microseconds")
    print(f"{'':20s}" + "".join(f"{f'T = {count}':>9s}" for count in arguments.tasks))
    for name, row in sorted(medians.items(), key=lambda item: item[1][-1]):
        print(f"{name:20s}" + "".join(f"{value:9.0f}" for value in row))


if __name__ == "__main__":
    main()
