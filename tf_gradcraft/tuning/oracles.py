"""KerasTuner's oracles, with a first trial of defaults and files that outlive a kill at any moment."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
from keras_tuner import oracles

from tf_gradcraft.files.json_files import write_whole

ENDED = ("COMPLETED", "FAILED")

if TYPE_CHECKING:
    from keras_tuner import Oracle as _Base
else:
    _Base = object


class _Lasting(_Base):
    """What all our oracles do beside their algorithm.

    KerasTuner writes its files in place, and still counts a trial as going on in what it writes when that trial ends;
    so a search that is killed then, or is simply called again, would run the trial a second time.
    """

    def save(self) -> None:
        """Writes the oracle's state, complete or not at all."""
        path = self._get_oracle_fname()
        write_whole(Path(path), json.dumps(self.get_state()))

    def _save_trial(self, trial: Any) -> None:
        folder = self._get_trial_dir(trial.trial_id)
        write_whole(Path(folder) / "trial.json", json.dumps(trial.get_state()))

    @keras_tuner.synchronized
    def end_trial(self, trial: Any) -> None:
        """Ends a trial, and writes that it no longer goes on."""
        super().end_trial(trial)
        self.save()

    def reload(self) -> None:
        """Reads what a search left behind: trials that ended stay so, all others are run again from the start."""
        super().reload()
        waiting = []
        for trial_id, trial in sorted(self.trials.items()):
            if trial.status in ENDED:
                self.end_order += [trial_id] * (trial_id not in self.end_order)
                continue
            trial.metrics = type(trial.metrics)()
            waiting.append(trial_id)
            self.start_order += [trial_id] * (trial_id not in self.start_order)
        self._retry_queue = waiting[::-1]

    def _random_values(self) -> dict[str, Any] | None:
        """Returns random values; the first trial's are the defaults, so that a search knows what they reach."""
        if self.trials:
            return super()._random_values()
        first = keras_tuner.HyperParameters()
        first.merge(self.hyperparameters.space)
        return dict(first.values)


class RandomOracle(_Lasting, oracles.RandomSearchOracle):
    """Random search."""


class BayesianOracle(_Lasting, oracles.BayesianOptimizationOracle):
    """Bayesian optimisation by a Gaussian process."""


class HyperbandOracle(_Lasting, oracles.HyperbandOracle):
    """Hyperband, up to a number of trials."""


class GridOracle(_Lasting, oracles.GridSearchOracle):
    """All combinations in order. KerasTuner does not keep where it is in the grid; it follows from the trials."""

    def reload(self) -> None:
        """See `_Lasting.reload`."""
        super().reload()
        values = {trial_id: trial.hyperparameters.values for trial_id, trial in self.trials.items()}

        def compare(one: str, other: str) -> int:
            return self._compare(values[one], values[other])

        in_order = functools.cmp_to_key(compare)
        self._ordered_ids: Any = type(self._ordered_ids)()
        for trial_id in sorted(values, key=in_order):
            self._ordered_ids.insert(trial_id)
        self._populate_next = sorted(values)
