"""Reading and running an export in ways that know nothing of Keras or of this package."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tf_gradcraft.serving.runtime import Runtime

TOLERANCE = 1e-6
WEIGHTS = {"click": 0.5, "like": 3.0}
"""Default weights of the exported model's `rank`."""
DTYPES = {dtype.as_datatype_enum: dtype.name for dtype in (tf.float32, tf.string, tf.int64, tf.int32)}

PLAIN_RELOAD = """
import json, sys
sys.modules["keras"] = None  # whoever imports Keras now gets an ImportError
import tensorflow as tf
request = json.load(sys.stdin)
served = tf.saved_model.load(request["export_dir"]).signatures["serving_default"]
outputs = served(**{name: tf.constant(item["values"], item["dtype"]) for name, item in request["inputs"].items()})
assert "tf_gradcraft" not in sys.modules
print(json.dumps({name: value.numpy().tolist() for name, value in outputs.items()}))
"""


def meta_graph(path):
    """The MetaGraphDef of an export for the tag `serve`; there is one."""
    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString((Path(path) / "saved_model.pb").read_bytes())
    [found] = [graph for graph in proto.meta_graphs if list(graph.meta_info_def.tags) == ["serve"]]
    return found


def signature(path, name="serving_default"):
    return meta_graph(path).signature_def[name]


def described(infos):
    """`{name: (dtype, shape)}` of the inputs or outputs of a signature, None for an open dimension."""
    return {
        name: (DTYPES[info.dtype], [None if dim.size == -1 else dim.size for dim in info.tensor_shape.dim])
        for name, info in infos.items()
    }


def plain_reload(path, raw):
    """Outputs through `tf.saved_model.load` in a process that imports tensorflow alone."""
    inputs = {name: {"dtype": described_dtype(path, name), "values": as_list(raw[name])} for name in raw}
    answer = call([sys.executable, "-c", PLAIN_RELOAD], {"export_dir": str(path), "inputs": inputs})
    return {name: np.array(values, np.float32) for name, values in answer.items()}


def v1_session(path, raw, name="serving_default"):
    """Outputs through the loader of TensorFlow 1, which restores variables as the C++ loader does."""
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(path)).signature_def[name]
        feeds = {loaded.inputs[key].name: as_list(raw[key]) for key in raw}
        return session.run({key: info.name for key, info in loaded.outputs.items()}, feeds)


def c_runtime(path, raw, name="serving_default"):
    """Outputs through the C API in a process that imports no tensorflow at all."""
    with Runtime() as runtime:
        loaded = runtime.load(path)
        assert loaded.imported == []
        return loaded.run(name, raw)


def described_dtype(path, name):
    return described(signature(path).inputs)[name][0]


def as_list(values):
    return np.asarray(values).tolist()


def call(command, request):
    """Runs a script with a JSON request; raises RuntimeError with what it wrote to stderr if it fails."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1"}
    done = subprocess.run(
        command, input=json.dumps(request), capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def assert_equal_predictions(found, expected):
    assert set(found) == set(expected)
    for task, values in expected.items():
        assert found[task].shape == values.shape
        np.testing.assert_allclose(found[task], values, rtol=0, atol=TOLERANCE, err_msg=task)


def randomised(model, seed=3):
    """Gives a model weights that make its predictions differ from row to row."""
    random = np.random.default_rng(seed)
    model.set_weights([random.normal(0, 0.6, weight.shape) for weight in model.get_weights()])
    return model
