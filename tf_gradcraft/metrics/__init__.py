"""Metrics of ranking models, exact and with sample weights: as functions on arrays, and as Keras metrics."""

from tf_gradcraft.metrics.all_items import AllItemsRanking
from tf_gradcraft.metrics.at_k import map_at_k, ndcg_at_k, precision_at_k, recall_at_k
from tf_gradcraft.metrics.at_k_metrics import MAPAtK, NDCGAtK, PrecisionAtK, RecallAtK
from tf_gradcraft.metrics.audit import group_report
from tf_gradcraft.metrics.calibration import PCOC, pcoc
from tf_gradcraft.metrics.calibration_error import ECE, EqualMassECE, ece, equal_mass_ece
from tf_gradcraft.metrics.entropy import LogLoss, NormalisedEntropy, log_loss, normalised_entropy
from tf_gradcraft.metrics.exact import AUC, GAUC
from tf_gradcraft.metrics.labelled import Labelled
from tf_gradcraft.metrics.multi_task_gain import delta_m, relative_improvements
from tf_gradcraft.metrics.ranking import auc, group_auc

__all__ = [
    "AUC",
    "ECE",
    "GAUC",
    "PCOC",
    "AllItemsRanking",
    "EqualMassECE",
    "Labelled",
    "LogLoss",
    "MAPAtK",
    "NDCGAtK",
    "NormalisedEntropy",
    "PrecisionAtK",
    "RecallAtK",
    "auc",
    "delta_m",
    "ece",
    "equal_mass_ece",
    "group_auc",
    "group_report",
    "log_loss",
    "map_at_k",
    "ndcg_at_k",
    "normalised_entropy",
    "pcoc",
    "precision_at_k",
    "recall_at_k",
    "relative_improvements",
]
