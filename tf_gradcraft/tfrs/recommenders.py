"""TensorFlow Recommenders, or one line that says how to install it."""

try:
    import tensorflow_recommenders as recommenders
except ModuleNotFoundError as error:
    if error.name != "tensorflow_recommenders":
        raise
    raise ImportError("tf_gradcraft.tfrs needs TensorFlow Recommenders: pip install 'tf-gradcraft[tfrs]'") from error

__all__ = ["recommenders"]
