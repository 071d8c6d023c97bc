"""Names of the files in a run folder; what they hold is told by `tf_gradcraft.cli.runs`."""

from __future__ import annotations

CONFIG_FILE = "config.json"
HISTORY_FILE = "history.json"
METRICS_FILE = "metrics.json"
TEST_FILE = "metrics_test.json"
GRADIENTS_FILE = "gradients.json"
MODEL_FILE = "model.keras"
