"""Exports of TFRS models: signatures, the index, and the C runtime's predictions."""

import films
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs

from tf_gradcraft.serving.runtime import Runtime
from tf_gradcraft.tfrs import export

INPUTS = {"user": tf.string, "film": tf.string}


@pytest.fixture(scope="module")
def model():
    model = films.made(balancing="gradcraft")
    model.fit(films.batches(), epochs=2, verbose=0)
    return model


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    index = tfrs.layers.factorized_top_k.BruteForce(model.user_model, k=3)
    names = tf.data.Dataset.from_tensor_slices(films.FILMS).batch(2)
    index.index_from_dataset(names.map(lambda name: (name, model.film_model(name))))
    return export(
        model,
        tmp_path_factory.mktemp("export") / "films",
        INPUTS,
        predict=lambda features: {"stars": model(features)["stars"]},
        index=index,
        query={"user": tf.string},
    )


def test_the_c_runtime_predicts_and_retrieves_as_the_model_does(model, exported):
    rows = {"user": ["u1", "u3", "nobody"], "film": ["a", "e", "b"]}
    with Runtime() as runtime:
        loaded = runtime.load(exported)
        assert loaded.imported == []
        assert set(loaded.signatures) == {"serving_default", "retrieve"}
        default, retrieve = loaded.signatures["serving_default"], loaded.signatures["retrieve"]
        assert set(default.inputs) == {"user", "film"}
        assert set(default.outputs) == {"stars"}
        assert set(retrieve.inputs) == {"user"}
        assert set(retrieve.outputs) == {"scores", "identifiers"}
        stars = loaded.run("serving_default", rows)["stars"]
    expected = model({name: tf.constant(values) for name, values in rows.items()})["stars"]
    np.testing.assert_allclose(stars, expected, atol=1e-6)


def test_the_index_names_the_best_films(model, exported):
    served = tf.saved_model.load(str(exported))
    found = served.signatures["retrieve"](user=tf.constant(["u2", "u3"]))
    scores = model.user_model(tf.constant(["u2", "u3"])).numpy() @ model.film_model(tf.constant(films.FILMS)).numpy().T
    order = np.argsort(-scores, axis=1)[:, :3]
    assert [[name.decode() for name in row] for row in found["identifiers"].numpy()] == [
        [films.FILMS[i] for i in row] for row in order
    ]
    np.testing.assert_allclose(found["scores"], np.take_along_axis(scores, order, axis=1), atol=1e-6)


def test_versions_follow_each_other_and_are_never_replaced(model, exported):
    def again(version=None):
        return export(model, exported.parent, INPUTS, version=version)

    assert exported.name == "1"
    assert again().name == "2"
    with pytest.raises(FileExistsError, match="version 1 exists"):
        again(version=1)


@pytest.mark.parametrize(
    ("inputs", "settings", "message"),
    [
        ({**INPUTS, "stars": tf.float32}, {}, "serving_default: no output depends on the input stars; leave it out"),
        (INPUTS, {"predict": lambda features: features["user"]}, "outputs need names"),
        (INPUTS, {"query": {"user": tf.string}}, "give an index and the query"),
        (INPUTS, {"predict": lambda f: {"users": tf.size(f["user"]) + tf.size(f["film"])}}, "its first is not open"),
        ({}, {}, "needs at least one input"),
    ],
)
def test_what_can_not_be_served_is_refused(inputs, settings, message, model, tmp_path):
    with pytest.raises(ValueError, match=message):
        export(model, tmp_path / "films", inputs, **settings)
    assert not (tmp_path / "films").exists()
