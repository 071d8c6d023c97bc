"""One process of a search, for tests of real processes: `search_member.py FOLDER RECORD`.

RECORD gets a line `begin a b` and `end a b` for each trial. A file RECORD.slow makes trials slow; a worker that takes
the file RECORD.kill away ends at once, within a trial, as if it was killed.
"""

import os
import signal
import sys
import time
from pathlib import Path

import keras_tuner
from small_search import Free

from tf_gradcraft.tuning import make_tuner
from tf_gradcraft.tuning.processes import end_with_parent

folder, record = Path(sys.argv[1]), Path(sys.argv[2])


class Recorded(Free):
    def fit(self, hp, model, *args, **kwargs):
        trial = f"{hp.values['a']} {hp.values['b']} {os.environ.get('KERASTUNER_TUNER_ID', 'alone')}\n"
        with record.open("a") as file:
            file.write("begin " + trial)
        kill = record.with_suffix(".kill")
        try:
            kill.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        except FileNotFoundError:
            pass
        if self.ran and record.with_suffix(".slow").exists():
            time.sleep(600)
        result = super().fit(hp, model, *args, **kwargs)
        with record.open("a") as file:
            file.write("end " + trial)
        return result


if "KERASTUNER_TUNER_ID" in os.environ:
    end_with_parent()
make_tuner("grid", Recorded(), folder, max_trials=6, objective=keras_tuner.Objective("val_score", "max")).search()
