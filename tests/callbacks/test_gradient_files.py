"""What a monitor writes: TensorBoard events, JSON, page and picture."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tf_gradcraft.balancing import MetaBalance
from tf_gradcraft.callbacks import GradientMonitor, gradient_blocks


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A monitor of two epochs of two steps, and the folder of its log; Keras's own log is written beside it."""
    folder = tmp_path_factory.mktemp("log")
    model = toy.compiled(MetaBalance(parts={"tables": "users|items"}), run_eagerly=True)
    monitor = GradientMonitor(every=1, log_dir=folder)
    # Keras's callback stands before the monitor and sees the monitor's values all the same.
    keras_log = keras.callbacks.TensorBoard(folder, write_graph=False)
    toy.train(model, toy.log(32), callbacks=[keras_log, monitor])
    return monitor, folder


def events(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return accumulator


def test_tensorboard_has_the_scalars_of_each_noted_step(written):
    monitor, folder = written
    found = events(folder / "gradients")
    steps = monitor.story()["steps"]
    tags = set(found.Tags()["tensors"])
    assert {"norm/click", "weight/like", "conflict/pairs_before", "conflict/tasks_after", "cosines"} <= tags
    norms = [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in found.Tensors("norm/like")]
    assert [step for step, _ in norms] == steps["step"] == [0, 1, 2, 3]
    np.testing.assert_allclose([norm for _, norm in norms], np.array(steps["norms"])[:, 1], rtol=1e-6)


def test_tensorboard_has_a_heat_map_an_epoch_in_total_and_by_part(written):
    _, folder = written
    found = events(folder / "gradients")
    assert [event.step for event in found.Tensors("cosines")] == [1, 3]
    for tag in ("cosines", "cosines/tables", "cosines/other"):
        width, height, picture = tf.make_ndarray(found.Tensors(tag)[0].tensor_proto)
        pixels = tf.io.decode_png(picture).numpy()
        assert pixels.shape == (int(height), int(width), 3)
        assert len(np.unique(pixels)) > 10


def test_the_logs_reach_keras_own_tensorboard(written):
    _, folder = written
    assert "epoch_gradient_norm_click" in events(folder / "train").Tags()["tensors"]


def test_the_file_is_the_story_and_makes_the_page(written, tmp_path):
    monitor, _ = written
    path = monitor.save(tmp_path)
    assert path == tmp_path / "gradients.json"
    assert monitor.save(tmp_path / "new" / "other.json").is_file()
    story = json.loads(path.read_text())
    assert story == monitor.story()
    assert [part["name"] for part in story["epochs"][0]["parts"]] == ["tables", "other"]
    blocks = gradient_blocks(story)
    page = monitor.write_report(tmp_path / "gradients.html").read_text(encoding="utf-8")
    assert all(block in page for block in blocks)
    assert "by part of the shared variables" in page
    assert monitor.write_report(tmp_path / "gradients.png").stat().st_size > 10_000
