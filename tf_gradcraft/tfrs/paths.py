"""Paths of the variables of a Keras 2 model."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf


def name_paths(model: tf.keras.Model, variables: Iterable[tf.Variable]) -> None:
    """Gives each variable as its `path` the attributes that lead to it, such as `user_model/layer-1/embeddings`.

    Keras 3 variables have a path, on which a balancer's `parts` are matched. Those of Keras 2 have names only, and
    several may have the same.

    Args:
        model: A Keras model.
        variables: Its variables.

    Example:
        >>> module = tf.keras.Model()
        >>> module.towers = {"click": [tf.Variable(1.0)]}
        >>> name_paths(module, module.variables)
        >>> module.variables[0].path
        'towers/click/0'
    """
    view = tf.train.TrackableView(model)
    paths, level = {id(model): ""}, [model]
    while level:
        below = []
        for member in level:
            for name, child in view.children(member).items():
                if id(child) not in paths:
                    paths[id(child)] = f"{paths[id(member)]}/{name}".lstrip("/")
                    below.append(child)
        level = below
    for variable in variables:
        variable.path = paths.get(id(variable), variable.name)
