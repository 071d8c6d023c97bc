"""Metrics of ranking models: exact AUC and group AUC, as functions and as Keras metrics."""

from tf_gradcraft.metrics.exact import AUC, GAUC
from tf_gradcraft.metrics.ranking import auc, group_auc

__all__ = ["AUC", "GAUC", "auc", "group_auc"]
