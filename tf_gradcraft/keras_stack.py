"""Which Keras TensorFlow has in this process: 3, or 2 with `TF_USE_LEGACY_KERAS=1`."""

from __future__ import annotations

VARIABLE = "TF_USE_LEGACY_KERAS"


class KerasStackError(ImportError):
    """The Keras behind `tf.keras` is not the one that something needs; the message says what to set."""


def keras_major() -> int:
    """Returns 3 or 2, the Keras behind `tf.keras`; imports TensorFlow.

    Raises:
        KerasStackError: If Keras 2 is asked for and is not installed.

    Example:
        >>> keras_major() in (2, 3)
        True
    """
    import tensorflow as tf

    try:
        version = getattr(tf.keras, "version", None)  # Keras 2 has no such function
    except ImportError as error:
        message = f"{VARIABLE} is set, but Keras 2 is not installed: pip install 'tf-gradcraft[tfrs]'"
        raise KerasStackError(message) from error
    return int(version().split(".")[0]) if version else 2


def require_keras_3(name: str) -> None:
    """Raises a `KerasStackError` if `tf.keras` is Keras 2: layers of both kinds can't be put into one model.

    Args:
        name: What needs Keras 3.
    """
    if keras_major() != 3:
        raise KerasStackError(
            f"{name} needs Keras 3: start Python again without {VARIABLE} in the environment (with Keras 2 there is "
            "tf_gradcraft.tfrs)"
        )


def require_keras_2(name: str) -> None:
    """Raises a `KerasStackError` if `tf.keras` is Keras 3.

    Args:
        name: What needs Keras 2.
    """
    if keras_major() != 2:
        raise KerasStackError(
            f"{name} needs Keras 2: start Python again with {VARIABLE}=1 in the environment, set before TensorFlow is "
            "imported"
        )
