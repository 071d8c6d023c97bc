"""Any log to a prepared folder: files and frames give equal rows, equal inputs are recognised."""

import dataclasses
import gzip
import sys

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tf_gradcraft.cli import app
from tf_gradcraft.data_pipelines import PreparedData, TableSpec, prepare
from tf_gradcraft.data_pipelines.preparation.labels import any_of, at_least, ratio_at_least
from tf_gradcraft.data_pipelines.preparation.spec_file import read_spec_file

SPEC = TableSpec(
    user="user",
    item="item",
    time="time",
    tasks=("liked", "complete"),
    categorical={"user": "int64", "item": "string"},
    numeric={"price": "log1p"},
    statistic_keys=("user",),
)
LABELS = {"liked": at_least("stars", 4), "complete": ratio_at_least("watched", "length", 0.5)}
TYPES = {"stars": "int64", "watched": "float32", "length": "float32"}


def log(rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(5)
    frame = pd.DataFrame({"user": random.integers(0, 12, rows), "time": np.arange(rows) // 3})
    frame["item"] = np.array(["ä", "b", "c, d", "e"])[random.integers(0, 4, rows)]
    frame["stars"] = random.integers(1, 6, rows)
    frame["watched"], frame["length"] = random.random(rows), random.random(rows)
    frame["price"] = np.where(random.random(rows) < 0.1, np.nan, random.random(rows))
    return pd.concat([frame, frame.iloc[:10]], ignore_index=True)


def rows_of(data):
    return {name: pq.read_table(data.folder / name) for name in data.manifest["outputs"] if name.endswith(".parquet")}


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return prepare(log(), SPEC, tmp_path_factory.mktemp("out") / "pandas", labels=LABELS)


def test_labels_and_duplicates(ours):
    frame = log().drop_duplicates()
    assert sum(ours.rows.values()) == len(frame) == 300
    for task, wanted in {
        "liked": frame["stars"] >= 4,
        "complete": (frame["watched"] >= 0.5 * frame["length"]) & (frame["length"] > 0),
    }.items():
        got = sum(ours.manifest["label_rates"][split][task] * rows for split, rows in ours.rows.items())
        assert round(got) == wanted.sum()
    assert nw.from_native(pd.DataFrame({"x": [0, None, 2.0]})).select(y=any_of("x"))["y"].to_list() == [0, 0, 1]


def files(folder):
    frame, whole = log(), folder / "log.csv"
    frame.to_csv(whole, index=False)
    with gzip.open(folder / "log.csv.gz", "wt", encoding="utf-8") as packed:
        packed.write(whole.read_text(encoding="utf-8"))
    frame.iloc[:100].to_parquet(folder / "first.parquet")
    frame.iloc[100:].to_parquet(folder / "second.parquet")
    return {
        "csv": whole,
        "gzip": str(folder / "log.csv.gz"),
        "parquet": [folder / "first.parquet", folder / "second.parquet"],
    }


@pytest.mark.parametrize("kind", ["csv", "gzip", "parquet", "arrow", "duckdb", "polars", "shuffled"])
def test_every_kind_of_log_gives_the_same_rows(kind, ours, tmp_path):
    if kind in ("csv", "gzip", "parquet"):
        source = files(tmp_path)[kind]
    elif kind == "polars":
        source = pytest.importorskip("polars").from_pandas(log()).lazy()
    elif kind == "shuffled":
        source = log().sample(frac=1, random_state=4)
    else:
        table = pa.Table.from_pandas(log(), preserve_index=False)
        source = table if kind == "arrow" else duckdb.connect().from_arrow(table)
    theirs = prepare(source, SPEC, tmp_path / "out", labels=LABELS, types=TYPES)
    assert theirs.schema == ours.schema
    expected = rows_of(ours)
    got = rows_of(theirs)
    assert got.keys() == expected.keys()
    for name, table in expected.items():
        assert got[name].equals(table), name


def test_equal_frames_have_nothing_to_do_and_others_are_refused(tmp_path):
    messages = []
    prepare(log(), SPEC, tmp_path / "out", labels=LABELS)
    prepare(log(), SPEC, tmp_path / "out", labels=dict(LABELS), progress=messages.append)
    assert any("nothing to do" in message for message in messages)
    changed = log()
    changed.loc[5, "stars"] += 1
    with pytest.raises(ValueError, match="other inputs: frame; pass overwrite=True"):
        prepare(changed, SPEC, tmp_path / "out", labels=LABELS)
    with pytest.raises(ValueError, match="other arguments: spec: statistic_keys is "):
        prepare(log(), dataclasses.replace(SPEC, statistic_keys=()), tmp_path / "out", labels=LABELS)
    with pytest.raises(ValueError, match="other arguments: labels: liked is "):
        prepare(log(), SPEC, tmp_path / "out", labels=LABELS | {"liked": at_least("stars", 5)})


def test_duplicates_may_be_kept_and_limits_are_no_argument(tmp_path):
    data = prepare(log(), SPEC, tmp_path / "out", labels=LABELS, duplicates="keep", memory_limit="200MB", threads=1)
    assert sum(data.rows.values()) == 310
    messages = []
    prepare(log(), SPEC, tmp_path / "out", labels=LABELS, duplicates="keep", progress=messages.append)
    assert any("nothing to do" in message for message in messages)


def test_bad_logs_name_file_line_and_column(tmp_path):
    text = log().to_csv(index=False)
    lines = text.splitlines()
    lines[7] = lines[7].replace(lines[7].split(",")[0], "seven", 1)
    (tmp_path / "log.csv").write_text("\n".join(lines), encoding="utf-8")
    arguments = {"labels": LABELS, "types": TYPES}
    with pytest.raises(ValueError, match=r"log\.csv, line 8, column 'user': 'seven' is not an integer"):
        prepare(tmp_path / "log.csv", SPEC, tmp_path / "out", **arguments)
    with pytest.raises(FileNotFoundError, match=r"no\.parquet does not exist"):
        prepare(tmp_path / "no.parquet", SPEC, tmp_path / "out", **arguments)
    log().drop(columns="price").to_parquet(tmp_path / "log.parquet")
    with pytest.raises(ValueError, match=r"log\.parquet: the column 'price' is missing; the file has user, "):
        prepare(tmp_path / "log.parquet", SPEC, tmp_path / "out", **arguments)
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "log.parquet").read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"cut\.parquet is no Parquet file, or was cut short"):
        prepare(tmp_path / "cut.parquet", SPEC, tmp_path / "out", **arguments)
    with pytest.raises(ValueError, match="duplicates is 'drop' or 'keep', got 'some'"):
        prepare(log(), SPEC, tmp_path / "out", duplicates="some")
    assert not (tmp_path / "out").exists()


SPEC_FILE = """
user = "user"
item = "item"
time = "time"
tasks = ["liked", "complete"]
statistic_keys = ["user"]
types = {stars = "int64", watched = "float32", length = "float32"}

[categorical]
user = "int64"
item = "string"

[numeric]
price = "log1p"

[labels]
liked = {column = "stars", at_least = 4}
complete = {column = "watched", at_least = 0.5, of = "length"}

[options]
split = "random"
"""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TOML needs Python 3.11")
def test_the_command_prepares_a_log_that_a_file_describes(ours, tmp_path):
    (tmp_path / "spec.toml").write_text(SPEC_FILE)
    log_files = files(tmp_path)["parquet"]
    command = ["prepare-table", *log_files, tmp_path / "out", "--spec", tmp_path / "spec.toml", "--memory-limit", "1GB"]
    done = CliRunner().invoke(app, list(map(str, command)))
    assert done.exit_code == 0, done.output
    theirs = PreparedData(tmp_path / "out")
    for name, table in rows_of(ours).items():
        assert pq.read_table(theirs.folder / name).equals(table), name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"usr": "u"}', r"spec\.json: key='usr' is not known; did you mean 'user'"),
        ("{", r"spec\.json cannot be read: "),
        ("[]", "holds no names and values"),
        ('{"user": "u"}', r"spec\.json: .*missing .*required .*'item'"),
        ('{"user": "u", "options": {"split": "dte"}}', r"spec\.json: "),
    ],
)
def test_bad_spec_files(tmp_path, text, message):
    (tmp_path / "spec.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_spec_file(tmp_path / "spec.json")
    with pytest.raises(FileNotFoundError, match=r"no\.toml does not exist"):
        read_spec_file(tmp_path / "no.toml")
