"""MetaBalance's network: against NumPy, its parts, its gradients, its scores of all items."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import datasets
from tf_gradcraft.data_pipelines.schema import Feature, Schema, Task
from tf_gradcraft.gradients import task_gradients
from tf_gradcraft.metrics import AllItemsRanking
from tf_gradcraft.models import MatrixFactorizationMLP

USERS, ITEMS, TASKS = 6, 9, ("buy", "view")


def schema(tasks=TASKS, **more):
    features = [
        Feature(name="user_id", kind="categorical", dtype="int64", size=USERS),
        Feature(name="item_id", kind="categorical", dtype="int64", size=ITEMS, side="candidate"),
    ]
    return Schema(features=features, tasks=[Task(name=task) for task in tasks], **more)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = MatrixFactorizationMLP(schema(), embedding_dim=5, mlp_units=[4, 3], tower_units=[6, 2])
    for variable in model.trainable_variables:  # biases and embeddings that matter
        variable.assign(keras.random.normal(variable.shape, seed=len(variable.path)))
    return model


def weights(model, pattern):
    found = [variable for variable in model.trainable_variables if pattern in variable.path]
    assert len(found) == 1, [variable.path for variable in model.trainable_variables]
    return found[0].numpy().astype(np.float64)


def logits_by_hand(model, task):
    """Logits [USERS, ITEMS], pair by pair in NumPy."""
    users, items = weights(model, "user_id_embeddings/"), weights(model, "item_id_embeddings/")
    out = np.zeros((USERS, ITEMS))
    for user in range(USERS):
        for item in range(ITEMS):
            deep = np.concatenate([users[user], items[item]])
            for layer in range(2):
                name = f"mlp/dense_{layer}"
                deep = np.maximum(deep @ weights(model, f"{name}/kernel") + weights(model, f"{name}/bias"), 0)
            hidden = np.concatenate([users[user] * items[item], deep])
            for layer in range(2):
                name = f"{task}_tower/dense_{layer}"
                hidden = np.maximum(hidden @ weights(model, f"{name}/kernel") + weights(model, f"{name}/bias"), 0)
            logit = hidden @ weights(model, f"{task}_logit/kernel") + weights(model, f"{task}_logit/bias")
            out[user, item] = logit[0]
    return out


@pytest.mark.parametrize("task", TASKS)
def test_model_and_scores_of_all_items_equal_numpy(model, task):
    expected = logits_by_hand(model, task)
    assert np.ptp(expected) > 0.1
    pairs = {"user_id": np.repeat(np.arange(USERS), ITEMS), "item_id": np.tile(np.arange(ITEMS), USERS)}
    probabilities = model(pairs)[task].numpy().reshape(USERS, ITEMS)
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-expected)), atol=1e-5)
    users = [4, 0, 4, 2]
    np.testing.assert_allclose(model.score_all_items(tf.constant(users), task), expected[users], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("items_at_once", [1, 4])
def test_scores_do_not_depend_on_the_blocks(model, items_at_once):
    users = tf.constant([4, 0, 4])
    expected = logits_by_hand(model, "buy")[users.numpy()]
    compiled = tf.function(lambda users: model.score_all_items(users, "buy", items_at_once=items_at_once))
    np.testing.assert_allclose(compiled(users), expected, rtol=1e-5, atol=1e-5)


def test_scores_with_one_layer_each_and_of_no_user():
    model = MatrixFactorizationMLP(schema(), embedding_dim=3, mlp_units=[2], tower_units=[3])
    scores = model.score_all_items(tf.constant([5, 1]), "view", items_at_once=4)
    pairs = {"user_id": tf.repeat([5, 1], ITEMS), "item_id": tf.tile(tf.range(ITEMS), [2])}
    np.testing.assert_allclose(tf.sigmoid(scores), tf.reshape(model(pairs)["view"], [2, ITEMS]), rtol=1e-6)
    assert model.score_all_items(tf.constant([], tf.int32), "view").shape == (0, ITEMS)


@pytest.mark.parametrize("items", [[3], [5, 1, 5, 0, 2], []])
@pytest.mark.parametrize("compiled", [False, True])
def test_scores_of_some_items_are_their_columns(model, items, compiled):
    def scores(users, items):
        return model.score_items(users, items, "view", items_at_once=2)

    ids = tf.TensorSpec([None], tf.int32)
    scores = tf.function(scores, input_signature=[ids, ids]) if compiled else scores
    found = scores(tf.constant([4, 0, 4]), tf.constant(items, tf.int32))
    assert found.shape == (3, len(items))
    np.testing.assert_allclose(found, logits_by_hand(model, "view")[np.ix_([4, 0, 4], items)], rtol=1e-5, atol=1e-5)


def test_a_ranking_that_spares_users_gives_the_values_of_all_scores():
    features = [Feature(name=n, kind="categorical", dtype="int64", size=size) for n, size in (("u", 60), ("i", 2000))]
    model = MatrixFactorizationMLP(Schema(features=features, tasks=[Task(name="buy")]), embedding_dim=4, dropout=0.0)
    for variable in model.trainable_variables:
        variable.assign(3 * variable)
    users = np.arange(60)
    scores = model.score_all_items(tf.constant(users), "buy").numpy()[:, 1:]
    held_out = 1 + np.argsort(-scores, axis=1)[users, np.where(users % 2, 30 * users, users // 4)]
    ranking = AllItemsRanking(users, known=([], []), held_out=(users, held_out), num_items=2000, batch_size=16)
    values = ranking.evaluate(score_items=lambda users, items: model.score_items(users, items, "buy"))
    assert values == pytest.approx(ranking.evaluate(lambda users: model.score_all_items(users, "buy")), rel=1e-12)
    assert values["recall_at_20"] == pytest.approx(0.5)

    def by_model_calls(users, items):
        pairs = {"u": tf.repeat(users, tf.size(items)), "i": tf.tile(items, [tf.size(users)])}
        return tf.reshape(model(pairs)["buy"], [tf.size(users), tf.size(items)])

    assert ranking.evaluate(score_items=by_model_calls) == pytest.approx(values, rel=1e-12)


def test_each_table_is_a_variable_with_a_sparse_gradient_and_towers_are_private(model):
    features = {"user_id": tf.constant([1, 2, 1]), "item_id": tf.constant([3, 3, 4])}
    with tf.GradientTape(persistent=True) as tape:
        outputs = model(features)
        losses = {task: tf.reduce_mean(output) for task, output in outputs.items()}
    variables = model.trainable_variables
    gradients = task_gradients(tape, losses, variables)
    parts = gradients.parts("variable").names
    assert sorted(part.split("/")[0] for part in parts) == [
        "item_id_embeddings",
        *["mlp"] * 4,
        "user_id_embeddings",
    ]
    tables = [variable for variable in variables if "embeddings" in variable.path]
    for gradient in tape.gradient(losses["buy"], tables):
        assert isinstance(gradient, tf.IndexedSlices)


def test_errors_name_what_is_wrong(model):
    with pytest.raises(ValueError, match="needs two categorical features, user and item; the schema has user_id"):
        MatrixFactorizationMLP(schema().select(features=["user_id"]))
    with pytest.raises(ValueError, match=r"task='by' is not known; did you mean 'buy'\?"):
        model.score_all_items(tf.constant([1]), "by")
    with pytest.raises(ValueError, match="items_at_once must be at least 1, got 0"):
        model.score_all_items(tf.constant([1]), "buy", items_at_once=0)


def test_pairs_to_ranking_and_back_from_a_file(tmp_path):
    """The whole path: two blocks of users and items that buy among themselves are found."""
    random = np.random.default_rng(0)
    rows = [
        (user, 10 * (user % 2) + item, 1, int(random.random() < 0.8))
        for user in range(40)
        for item in random.permutation(10)[:8]
    ]
    pd.DataFrame(rows, columns=["user_id", "item_id", "view", "buy"]).to_parquet(tmp_path / "pairs.parquet")
    data = datasets.Pairs(tmp_path).prepare(tmp_path / "prepared")
    keras.utils.set_random_seed(1)
    model = MatrixFactorizationMLP(data.schema, embedding_dim=4, tower_units=[8], dropout=0.0)
    model.compile(gc.optimizers.LazyAdam(0.02), balancing=gc.balancing.MetaBalance(target="buy"), metrics={})
    ranking = AllItemsRanking(**data.ranking("test"), k=[10])

    def score(users):
        return model.score_all_items(users, "buy")

    before = ranking.evaluate(score)["recall_at_10"]
    model.fit(data.train(16, seed=1), epochs=15, verbose=0)
    after = ranking.evaluate(score)["recall_at_10"]
    # Of 20 items the ten of the own block are right; at random half of the held-out ones are among the first ten.
    assert after > 0.9 > before
    model.save(tmp_path / "model.keras")
    model = gc.load_model(tmp_path / "model.keras")
    assert ranking.evaluate(score)["recall_at_10"] == after
