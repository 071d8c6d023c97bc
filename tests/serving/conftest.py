import shutil

import keras
import numpy as np
import pytest
from preparing import encoded_by_numpy
from served import WEIGHTS, randomised

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import Feature, Schema, Task, Vocabulary, datasets
from tf_gradcraft.models import PLE
from tf_gradcraft.serving import Rank
from tf_gradcraft.serving.runtime import Runtime

ROWS = 10_000


@pytest.fixture(scope="session")
def schema():
    """Ids of both dtypes, a cross, a number, statistics of an id and of the cross, one that was always missing."""
    random = np.random.default_rng(5)
    users, tags = np.array([900, 7, -3, 2**40]), np.array(["news", "sport", "Ärzte 🎸", "a,b"])
    codes = np.array([1 * 5 + 2, 4 * 5 + 0, 2 * 5 + 3, 0 * 5 + 1])
    return Schema(
        features=[
            Feature(name="rate", kind="statistic", key="user_id"),
            Feature(name="user_id_x_tag", kind="categorical", dtype="int64", size=5, crosses=("user_id", "tag")),
            Feature(name="user_id", kind="categorical", dtype="int64", size=5),
            Feature(name="tag", kind="categorical", dtype="string", size=5, side="candidate"),
            Feature(name="empty", kind="categorical", dtype="string", size=1),
            Feature(
                name="duration", kind="numeric", transform="log1p", mean=2.0, std=0.5, missing=7.5, side="candidate"
            ),
            Feature(name="age", kind="numeric", mean=40.0, std=9.0, missing=37.0),
            Feature(name="cross_count", kind="statistic", key="user_id_x_tag", transform="log1p", mean=1.0, std=2.0),
        ],
        tasks=[Task(name="click"), Task(name="like", mask="like_known")],
        group="user_id",
        vocabularies={
            "user_id": Vocabulary(users, {"rate": random.normal(size=5).astype("float32")}),
            "tag": Vocabulary(tags),
            "empty": Vocabulary(np.zeros(0, "U1")),
            "user_id_x_tag": Vocabulary(codes, {"cross_count": random.integers(0, 99, 5).astype("float32")}),
        },
    )


@pytest.fixture(scope="session")
def raw(schema):
    """10,000 rows of raw features, a third of them unknown or missing."""
    random = np.random.default_rng(6)
    tags = np.array(["news", "sport", "Ärzte 🎸", "a,b", "", "unknown", "News"])
    return {
        "user_id": random.choice(np.array([900, 7, -3, 2**40, 0, 1, 2**62]), ROWS),
        "tag": random.choice(tags, ROWS),
        "empty": random.choice(tags, ROWS),
        "duration": np.where(random.random(ROWS) < 0.3, np.nan, random.exponential(20, ROWS)).astype("float32"),
        "age": random.choice(np.array([20, 50, np.nan, np.inf, -np.inf], "float32"), ROWS),
    }


@pytest.fixture(scope="session")
def model(schema):
    keras.utils.set_random_seed(1)
    return randomised(PLE(schema, expert_units=[8, 6], tower_units=[4], embedding_dim=3))


@pytest.fixture(scope="session")
def exported(model, tmp_path_factory):
    """An export with all signatures that was moved away from where it was written."""
    folder = tmp_path_factory.mktemp("export")
    path = gc.serving.export(model, folder / "ranker", signatures=["serving_examples", Rank(weights=WEIGHTS, top_k=7)])
    shutil.move(path, folder / "moved")
    shutil.rmtree(folder / "ranker")
    return folder / "moved"


@pytest.fixture(scope="session")
def runtime():
    """TensorFlow's C runtime in a process of its own."""
    with Runtime() as process:
        yield process


@pytest.fixture(scope="session")
def loaded(runtime, exported):
    """The export in the C runtime."""
    found = runtime.load(exported)
    assert found.imported == []
    return found


@pytest.fixture(scope="session")
def expected(model, schema, raw):
    """What Keras predicts on rows that NumPy encoded."""
    predictions = model.predict(encoded_by_numpy(schema, raw), batch_size=1000, verbose=0)
    assert all(np.std(values) > 0.02 for values in predictions.values())
    return predictions


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A small prepared log whose test part has ids that training does not know, and where its raw files are."""
    folder = tmp_path_factory.mktemp("data")
    log = datasets.Synthetic.write(folder / "raw", rows=3000, seed=2)
    return log.prepare(folder / "prepared", min_count=25), folder / "raw"
