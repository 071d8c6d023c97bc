"""`tf-gradcraft datasets`, and data sets' own options in `tf-gradcraft prepare`."""

import pytest
from calling import fail, read_json, succeed

from tf_gradcraft.data_pipelines import datasets


def words(text):
    """The text of a table without its frame."""
    return " ".join(text.replace("│", " ").split())


def test_the_list_names_all_data_sets_with_where_to_get_them():
    out = words(succeed("datasets").out)
    for name in datasets.names():
        card = datasets.get(name).card
        assert name in out
        assert card.homepage[:16] in out  # a narrow terminal folds the rest
        assert all(task in out for task in card.default_tasks)


@pytest.mark.parametrize("name", datasets.names())
def test_details_warn_of_leaks(name):
    out = words(succeed("datasets", name).out)
    card = datasets.get(name).card
    for text in (*card.files, *card.outcomes, *card.tasks, *card.options, card.licence):
        assert text in out, text
    assert "never features" in out


def test_unknown_data_set():
    assert "dataset='wechta' is not known; did you mean 'wechat'?" in fail("datasets", "wechta")


def test_options_of_a_data_set(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    lines = [f"{user}\t{film}\t{(user + film) % 5 + 1}\t{874724710 + user}" for user in range(20) for film in range(9)]
    (raw / "u.data").write_text("\n".join(lines) + "\n")
    (raw / "u.user").write_text("".join(f"{user}|30|F|writer|85711\n" for user in range(20)))
    (raw / "u.item").write_text("".join(f"{film}|A film (1994)|||{'|0' * 19}\n" for film in range(9)))
    out = tmp_path / "out"
    succeed("prepare", "movielens", raw, out, "--set", "liked_from=5", "--tasks", "liked,loved")
    manifest = read_json(out / "manifest.json")
    assert manifest["arguments"]["liked_from"] == 5
    assert manifest["label_rates"]["train"]["liked"] == manifest["label_rates"]["train"]["loved"] > 0
    error = fail("prepare", "movielens", raw, out, "--set", "liked_form=5")
    assert "option of movielens='liked_form' is not known; did you mean 'liked_from'?" in error
    assert "synthetic has no options of its own; leave --set country out" in fail(
        "prepare", "synthetic", raw, out, "--set", "country=NL"
    )
    error = fail("prepare", "wechat", raw, out)
    assert "holds no user_action*.csv; these files are read: user_action*.csv, feed_info*.csv" in error
    assert "https://algo.weixin.qq.com" in error
