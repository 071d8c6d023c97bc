"""Objectives beside the tasks, such as fairness, which `compile(objectives=...)` takes and balancing weighs."""

from tf_gradcraft.objectives.adversary import Adversary
from tf_gradcraft.objectives.exposure import ExposureDisparity
from tf_gradcraft.objectives.gradient_reversal import GradientReversal
from tf_gradcraft.objectives.prediction_gaps import DemographicParity, EqualOpportunity

__all__ = ["Adversary", "DemographicParity", "EqualOpportunity", "ExposureDisparity", "GradientReversal"]
