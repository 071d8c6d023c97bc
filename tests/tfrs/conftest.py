"""These tests are for Keras 2: `TF_USE_LEGACY_KERAS=1 pytest tests/tfrs` (`make test` does so)."""

from tf_gradcraft.keras_stack import keras_major

collect_ignore_glob = [] if keras_major() == 2 else ["test_*.py"]
