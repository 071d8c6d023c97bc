"""The door to TensorFlow Recommenders (Keras 2): its models, balanced, and their export.

The only part of the library that imports TensorFlow Recommenders. It needs `TF_USE_LEGACY_KERAS=1` in the environment,
set before TensorFlow is imported, and `pip install 'tf-gradcraft[tfrs]'`.
"""

from tf_gradcraft.keras_stack import require_keras_2

require_keras_2("tf_gradcraft.tfrs")

from tf_gradcraft.tfrs.exporting import export  # noqa: E402
from tf_gradcraft.tfrs.model import BalancedModel  # noqa: E402

__all__ = ["BalancedModel", "export"]
