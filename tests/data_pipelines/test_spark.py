"""The same preparation from a PySpark frame, in local mode: equal rows."""

import os
import shutil

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tf_gradcraft.data_pipelines import History, TableSpec, Tags, prepare
from tf_gradcraft.data_pipelines.preparation.cleaning import drop_duplicates, join_features
from tf_gradcraft.data_pipelines.preparation.core_filter import k_core
from tf_gradcraft.data_pipelines.preparation.labels import any_of, at_least, define_labels, ratio_at_least
from tf_gradcraft.data_pipelines.preparation.parts import FOLD
from tf_gradcraft.data_pipelines.preparation.statistics import sum_by_key
from tf_gradcraft.data_pipelines.preparation.tags import fit_tags
from tf_gradcraft.data_pipelines.preparation.vocabularies import fit_vocabulary
from tf_gradcraft.data_pipelines.task import Task

sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed: pip install -e .[test]")
if not shutil.which("java") and not os.environ.get("JAVA_HOME"):
    pytest.skip("no Java runtime is here, which Spark needs", allow_module_level=True)

LABELS = {"liked": at_least("stars", 4), "complete": ratio_at_least("watched", "length"), "any": any_of("a", "b")}


def log(rows: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"user": random.integers(0, 30, rows), "time": np.arange(rows) // 2})
    frame["item"] = np.array([f"item {i}" for i in range(25)])[random.integers(0, 25, rows)]
    frame["tags"] = np.array(["x, y", "y", "", "z,x,y"])[random.integers(0, 4, rows)]
    for name, high in (("stars", 6), ("watched", 9), ("length", 9), ("a", 2), ("b", 2)):
        frame[name] = random.integers(0, high, rows)
    frame["price"] = np.where(random.random(rows) < 0.1, np.nan, random.random(rows))
    return pd.concat([frame, frame.iloc[:20]])


@pytest.fixture(scope="module")
def spark():
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = sql.SparkSession.builder.master("local[1]").appName("tests")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.driver.memory": "512m",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="module")
def frame(spark):
    # As a reader of CSV would give it: a missing price is null.
    records = log().astype(object).where(log().notna(), None).to_dict("records")
    types = "user long, time long, item string, tags string, stars long, watched long, length long, a long, b long"
    return spark.createDataFrame([tuple(record.values()) for record in records], f"{types}, price double").cache()


def test_a_spark_frame_gives_the_folder_that_a_pandas_frame_gives(frame, tmp_path):
    spec = TableSpec(
        user="user",
        item="item",
        time="time",
        tasks=tuple(LABELS),
        categorical={"user": "int64", "item": "string"},
        numeric={"price": None},
        tags={"tags": Tags(length=2)},
        histories={"last": History(length=3)},
        crosses=(("user", "item"),),
        statistic_keys=("user", "user_x_item"),
    )
    choices = {"labels": LABELS, "k_core": 10, "seed": 3}
    ours = prepare(log(), spec, tmp_path / "ours", **choices)
    theirs = prepare(frame, spec, tmp_path / "theirs", **choices)
    assert 100 < sum(ours.rows.values()) < 400
    assert theirs.schema == ours.schema
    names = sorted(name for name in ours.manifest["outputs"] if name.endswith(".parquet"))
    assert names == sorted(name for name in theirs.manifest["outputs"] if name.endswith(".parquet"))
    for name in names:
        assert pq.read_table(theirs.folder / name).equals(pq.read_table(ours.folder / name)), name
    with pytest.raises(ValueError, match="other inputs: frame"):
        prepare(frame, spec, tmp_path / "theirs", **choices)


def test_each_step_takes_either_frame(frame):
    features = pd.DataFrame({"user": np.arange(30), "age": np.arange(30) % 7})
    lazy = {"spark": nw.from_native(frame), "pandas": nw.from_native(log()).lazy()}
    other = {"spark": nw.from_native(frame.sparkSession.createDataFrame(features.values.tolist(), ["user", "age"]))}
    other["pandas"] = nw.from_native(features).lazy()
    found = {}
    for engine, rows in lazy.items():
        kept = k_core(drop_duplicates(rows), "user", "item", 10)
        kept = define_labels(join_features(kept, other[engine], "user", "users"), LABELS)
        kept = kept.with_columns((nw.col("stars") % 2).alias(FOLD))
        table = kept.sort("time", "user", "item").select("user", "item", "age", *LABELS).collect(backend="pyarrow")
        sums = sum_by_key(kept, ["user"], [Task(name="liked")]).to_pandas().sort_values(["user", FOLD])
        found[engine] = [
            # Arrow keeps the index of a pandas frame as a last column.
            [tuple(map(float, row[2 : 3 + len(LABELS)])) + row[:2] for row in table.rows()],
            fit_vocabulary(kept, "item", 2).values.tolist(),
            sums[sorted(sums)].astype(float).to_numpy().tolist(),
        ]
        assert 0 < len(table) < 400
    assert found["spark"] == found["pandas"]
    assert fit_tags(lazy["spark"], "tags", Tags(length=2)).values.tolist() == ["y", "x", "z"]
