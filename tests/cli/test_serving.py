"""`serve-check` and `serve-config`, and the options of `export`."""

import shutil

import pytest
from calling import fail, succeed
from google.protobuf import text_format

from tf_gradcraft.serving.contract import read_signatures


@pytest.fixture(scope="module")
def versions(run, tmp_path_factory):
    """The directory of two versions: full and rounded tables."""
    directory = tmp_path_factory.mktemp("export") / "ranker"
    called = succeed("export", run, directory, "--weight", "like=2.5", "--top-k", "3")
    assert "Further signatures: serving_examples, rank" in called.out
    succeed("export", run, directory, "--version", 9, "--tables", "int8")
    return directory


def test_export_takes_weights_and_the_length_of_the_list(versions):
    import tensorflow as tf

    from tf_gradcraft.serving.warmup import read_warmup

    assert set(read_signatures(versions / "1")) == {"serving_default", "serving_examples", "rank"}
    [request] = [inputs for name, inputs in read_warmup(versions / "1") if name == "rank"]
    assert (request["like_weight"].tolist(), request["click_weight"].tolist()) == ([2.5], [1.0])
    signature = tf.saved_model.load(versions / "1").signatures["rank"]
    wide = {name: tf.constant(values) for name, values in request.items()}
    for name, spec in signature.structured_input_signature[1].items():
        if len(spec.shape) == 2:
            wide[name] = tf.repeat(wide[name], 5, axis=1)
    assert signature(**wide)["top_k"].numpy().tolist() == [[0, 1, 2]]


def test_check_runs_every_signature_and_compares_with_the_run(versions, run):
    called = succeed("serve-check", versions / "1", "--run", run, "--rows", 50)
    for name in ("serving_default", "serving_examples", "rank"):
        assert name in called.out
    assert "loads in" in " ".join(called.out.split())
    assert "not compared" not in called.out


def test_check_takes_the_last_version_and_needs_no_run(versions):
    called = succeed("serve-check", versions)
    assert f"{versions / '9'}: loads in" in called.out
    assert "not compared (--run)" in called.out


def test_check_finds_an_export_that_predicts_otherwise(versions, run):
    error = fail("serve-check", versions / "9", "--run", run)
    assert "differs from the model's by" in error


def test_check_finds_that_it_is_another_model(versions):
    import keras
    import numpy as np

    import tf_gradcraft as gc
    from tf_gradcraft.data_pipelines import Feature, Schema, Task, Vocabulary
    from tf_gradcraft.models import SharedBottom

    schema = Schema(
        features=[Feature(name="planet", kind="categorical", dtype="string", size=2)],
        tasks=[Task(name="click")],
        vocabularies={"planet": Vocabulary(np.array(["Mars"]))},
    )
    with pytest.raises(ValueError, match=r"does not run.*has no input 'planet'"):
        gc.serving.check(versions / "1", SharedBottom(schema, bottom_units=[2], tower_units=[2]))
    age = keras.Input((1,), name="age")
    with pytest.raises(ValueError, match="built from a schema, got Functional"):
        gc.serving.check(versions / "1", keras.Model(age, keras.layers.Dense(1)(age)))


def test_check_refuses_what_is_no_export_or_damaged(versions, tmp_path):
    assert "is no version of an export: it holds no saved_model.pb" in fail("serve-check", tmp_path)
    broken = shutil.copytree(versions / "1", tmp_path / "1")
    next(broken.glob("variables/*.data*")).write_bytes(b"")
    assert "does not run in TensorFlow's C runtime" in fail("serve-check", broken)
    bare = shutil.copytree(versions / "1", tmp_path / "2")
    (bare / "assets.extra" / "tf_serving_warmup_requests").unlink()
    error = fail("serve-check", bare)
    assert "has no warm-up request for rank, serving_default, serving_examples" in error


def test_config_is_what_a_server_reads(versions, tmp_path):
    from tensorflow_serving.config import model_server_config_pb2

    called = succeed("serve-config", tmp_path, "--model", f"ranker={versions}", "--version", "ranker=9", "--threads", 4)
    text = (tmp_path / "models.config").read_text()
    [entry] = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    assert (entry.name, entry.base_path) == ("ranker", "/models/ranker")
    assert list(entry.model_version_policy.specific.versions) == [9]
    assert "num_batch_threads { value: 4 }" in (tmp_path / "batching.config").read_text()
    assert "prometheus_config" in (tmp_path / "monitoring.config").read_text()
    assert f"-v {versions}:/models/ranker:ro" in called.out
    assert f"-v {tmp_path}:/config:ro" in called.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "ranker"], "--model 'ranker' has another form; write NAME=VALUE"),
        (["--model", "ranker=nowhere"], "nowhere is no folder; export 'ranker' there first"),
        (["--model", "ranker=.", "--model", "ranker=."], "--model ranker is given twice"),
        (["--model", "ranker=.", "--version", "ranker=x"], "the version must be an integer of at least 1"),
        (["--model", "ranker=.", "--version", "other=1"], "versions are given for other, but no such model is"),
        (["--model", "ranker=.", "--threads", "0"], "num_batch_threads must be at least 1"),
    ],
)
def test_config_refuses_bad_options(tmp_path, options, message):
    assert message in fail("serve-config", tmp_path / "out", *options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weight", "like"], "--weight 'like' has another form; write TASK=NUMBER"),
        (["--weight", "lik=1"], "task='lik' is not known; did you mean 'like'?"),
        (["--top-k", "0"], "top_k=0 is out of range"),
        (["--tables", "int4"], "tables='int4' is not known; did you mean 'int8'?"),
    ],
)
def test_export_refuses_bad_options(run, tmp_path, options, message):
    assert message in fail("export", run, tmp_path / "ranker", *options)
    assert not list(tmp_path.iterdir())
