"""Serving: SavedModels that TensorFlow Serving loads, with raw features as their inputs."""

from tf_gradcraft.serving.exporting import export

__all__ = ["export"]
