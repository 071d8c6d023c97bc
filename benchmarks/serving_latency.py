"""What serving costs: `python benchmarks/serving_latency.py runs/gradcraft`.

Everything runs in TensorFlow's C runtime, in a process without Python TensorFlow. Times are those of the session's run
alone; all that are compared take turns in one process, so that ratios hold on a machine that other work slows down now
and then.

- `rank`: one user, N candidates, against the bare model on N rows of ids and numbers that are ready, and against N
  plain rows through `serving_default`; and what the encoder's part is.
- sizes of these requests, as JSON and as protos.
- size and load time of an export whose one table has V x 16 entries, with V raw ids in the graph.
"""

import argparse
import json
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import Feature, Schema, Task, Vocabulary
from tf_gradcraft.models import SharedBottom
from tf_gradcraft.serving.checking import encode_rows, random_rows
from tf_gradcraft.serving.encoding import FeatureEncoder
from tf_gradcraft.serving.examples import make_examples
from tf_gradcraft.serving.ranking import Rank, rank_function, rank_specs
from tf_gradcraft.serving.rest_client import as_json
from tf_gradcraft.serving.runtime import Runtime
from tf_gradcraft.serving.signatures import model_function, model_specs
from tf_gradcraft.serving.warmup import rank_inputs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a folder that `tf-gradcraft train` wrote")
    parser.add_argument("--candidates", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table-rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    model = gc.load_model(arguments.run / "model.keras")
    with tempfile.TemporaryDirectory() as folder:
        latency(model, Path(folder), arguments)
        loading(Path(folder), arguments)


def latency(model, folder: Path, arguments: argparse.Namespace) -> None:
    schema = model.schema
    raw = random_rows(schema, arguments.candidates, np.random.default_rng(0))
    for name in raw:
        if schema.side(name) == "request":
            raw[name][:] = raw[name][0]
    ranked = rank_inputs(raw, schema, Rank())
    export = gc.serving.export(model, folder / "ranker")
    parts = folder / "parts"
    archive = keras.export.ExportArchive()
    archive.add_endpoint("serving_default", model_function(model), [model_specs(model)])
    encoder = FeatureEncoder(schema)
    archive.track(encoder)
    archive.add_endpoint(
        "encode", rank_function(encoder, columns_only(schema), schema, Rank()), rank_specs(encoder, schema)
    )
    archive.write_out(str(parts), verbose=False)
    with Runtime(arguments.threads) as runtime:
        served, bare = runtime.load(export), runtime.load(parts)
        calls = {
            "rank": (served, "rank", ranked),
            "bare model": (bare, "serving_default", encode_rows(schema, raw)),
            "plain rows": (served, "serving_default", raw),
            "rank without the model": (bare, "encode", ranked),
        }
        times: dict[str, list[float]] = {name: [] for name in calls}
        for number in range(arguments.rounds + 10):
            for name, (loaded, signature, inputs) in calls.items():
                seconds = loaded.timed_run(signature, inputs)[1][1]
                if number >= 10:
                    times[name].append(1000 * seconds)
    print(f"{arguments.candidates} candidates, {len(schema.tasks)} tasks, {arguments.threads} threads")
    for name, values in times.items():
        p50, p99 = np.percentile(values, [50, 99])
        to_bare = " / ".join(f"{of(values) / of(times['bare model']):.2f}" for of in (np.median, np.min))
        print(f"{name:24s} p50 {p50:7.2f} ms  p99 {p99:7.2f}  min {min(values):7.2f}  to bare (p50 / min) {to_bare}")
    share = np.median(times["rank without the model"]) / np.median(times["rank"])
    print(f"share of a rank call: looking up, repeating, scoring and sorting {share:.0%}, the model {1 - share:.0%}")
    rows = [dict(zip(raw, row, strict=True)) for row in zip(*(values.tolist() for values in raw.values()), strict=True)]
    sizes = {
        "JSON, rows": (len(json.dumps({"instances": rows})), len(as_text(ranked))),
        "JSON, columns": (len(as_text(raw)), len(as_text(ranked))),
        "protos, rows (tf.Example)": (sum(map(len, make_examples(raw, schema))), len(as_proto(ranked))),
        "protos, columns": (len(as_proto(raw)), len(as_proto(ranked))),
    }
    for kind, (plain, small) in sizes.items():
        print(f"request, {kind}: plain {plain:,} bytes, rank {small:,} bytes, {plain / small:.1f} times smaller")


def columns_only(schema):
    """In the place of the model: sums of the encoded features, so that all of them are needed."""

    def predict(features, request, shape):
        total = tf.add_n([tf.cast(values, tf.float32) for values in features.values()])
        return dict.fromkeys(schema.task_names, total)

    return predict


def as_text(inputs) -> bytes:
    return json.dumps({"inputs": {name: as_json(np.asarray(values)) for name, values in inputs.items()}}).encode()


def as_proto(inputs) -> bytes:
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(
            tf.make_tensor_proto(values.astype(object) if values.dtype.kind == "U" else values)
        )
    return request.SerializeToString()


def loading(folder: Path, arguments: argparse.Namespace) -> None:
    rows = arguments.table_rows
    item = Feature(name="item", kind="categorical", dtype="int64", size=rows + 1, side="candidate")
    schema = Schema(
        features=[item, Feature(name="age", kind="numeric")],
        tasks=[Task(name="click")],
        vocabularies={"item": Vocabulary(np.random.default_rng(1).permutation(rows * 7)[:rows])},
    )
    model = SharedBottom(schema, bottom_units=[64], tower_units=[16], embedding_dim=16)
    for tables in ("float32", "bfloat16", "int8"):
        path = gc.serving.export(model, folder / tables, tables=tables)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        seconds = []
        for _ in range(5):
            with Runtime(arguments.threads) as runtime:
                seconds.append(runtime.load(path).seconds)
        spread = f"median {np.median(seconds):.2f} s, min {min(seconds):.2f}, max {max(seconds):.2f}"
        print(f"table {rows:,} x 16, {tables}: {size / 1e6:.0f} MB on disk, loads in {spread}")


if __name__ == "__main__":
    main()
