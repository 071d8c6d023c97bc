"""Names under which Keras finds the balancing methods that a saved model may hold."""

from __future__ import annotations

from tensorflow import keras

from tf_gradcraft import balancing


def let_keras_find_methods() -> None:
    """Registers the classes of all methods with Keras, those added by `balancing.register` included.

    Their package is the top-level one that they are defined in, so that a method from outside can't take the name of
    one of ours. A class that is registered already keeps its name.
    """
    # A composition and its magnitude step have no name of their own: what they hold is given, not called up by name.
    named = [type(balancing.get(name)) for name in balancing.names()]
    for method in (*named, balancing.Chain, balancing.Magnitude):
        if keras.utils.get_registered_name(method) == method.__name__:  # what Keras says of a class it does not know
            keras.utils.register_keras_serializable(method.__module__.split(".")[0])(method)


let_keras_find_methods()
