"""Names under which Keras finds the balancing methods that a saved model may hold."""

from __future__ import annotations

import keras

from tf_gradcraft import balancing


def let_keras_find_methods() -> None:
    """Registers the classes of all methods with Keras, those added by `balancing.register` included.

    Their package is the top-level one that they are defined in, so that a method from outside can't take the name of
    one of ours. A class that is registered already keeps its name.
    """
    for name in balancing.names():
        method = type(balancing.get(name))
        if keras.saving.get_registered_name(method) == method.__name__:  # what Keras says of a class it does not know
            keras.saving.register_keras_serializable(method.__module__.split(".")[0])(method)


let_keras_find_methods()
