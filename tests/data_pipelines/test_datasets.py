"""What holds for every data set, on small files in its official layout; and the real rows where they are."""

import inspect
import re
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import releases
from releases import RELEASES

from tf_gradcraft.data_pipelines import datasets

SHARED = Path(__file__).parents[2].parent / "shared" / "data"

every_release = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)


def source(release, folder, **options):
    return datasets.get(release.name)(folder, **{**release.options, **options})


def whole(data, name):
    return np.concatenate([data.columns(split, [name])[name] for split in ("train", "valid", "test")])


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """For each data set a folder with its files, and the labels that its rows have."""
    folders = {release.name: tmp_path_factory.mktemp(release.name) for release in RELEASES}
    return {release.name: (folders[release.name], release.write(folders[release.name])) for release in RELEASES}


@pytest.fixture(scope="module")
def prepared(raw, tmp_path_factory):
    """Each data set prepared with its defaults, for all tasks whose labels are known here."""
    out = tmp_path_factory.mktemp("out")
    return {
        release.name: source(release, raw[release.name][0], tasks=list(raw[release.name][1])).prepare(
            out / release.name
        )
        for release in RELEASES
    }


def copy_of(raw, name, folder):
    folder.mkdir()
    for path in raw[name][0].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_every_data_set_is_in_the_table():
    tables = {name for name in datasets.names() if issubclass(datasets.get(name), datasets.TableDataSet)}
    assert {release.name for release in RELEASES} == tables


@every_release
def test_labels_follow_their_definitions(release, raw, prepared):
    expected = raw[release.name][1]
    found = pd.DataFrame({task: whole(prepared[release.name], task) for task in expected}).astype(int)
    assert prepared[release.name].schema.task_names == tuple(expected)
    pd.testing.assert_series_equal(found.value_counts().sort_index(), expected.value_counts().sort_index())


@every_release
def test_no_outcome_is_a_feature(release, prepared):
    schema = prepared[release.name].schema
    names = {feature.name for feature in schema.features if feature.raw}
    assert set(release.raw) <= names
    outcomes = set(datasets.get(release.name).card.outcomes) | set(datasets.get(release.name).card.tasks)
    assert not names & outcomes


@every_release
def test_the_card_says_what_the_class_does(release):
    data_set = datasets.get(release.name)
    card = data_set.card
    assert source(release, "nowhere").tasks == card.default_tasks
    own = set(inspect.signature(data_set.__init__).parameters) - {"self", "path", "tasks"}
    assert set(card.options) == own
    assert card.homepage.startswith("https://")
    assert all([card.title, card.rows, card.licence, card.citation, card.files, card.outcomes, *card.tasks.values()])


@every_release
def test_missing_files_are_named_with_where_to_get_them(release, raw, tmp_path):
    card = datasets.get(release.name).card
    with pytest.raises(FileNotFoundError, match=f"is no folder; get the release from {re.escape(card.homepage)}"):
        source(release, tmp_path / "nowhere").prepare(tmp_path / "out")
    for path in sorted(raw[release.name][0].iterdir()):
        folder = copy_of(raw, release.name, tmp_path / f"without_{path.name}")
        (folder / path.name).unlink()
        with pytest.raises(FileNotFoundError, match=rf"{folder.name} holds no .*{re.escape(card.homepage)}") as error:
            source(release, folder).prepare(tmp_path / "out")
        assert all(file in str(error.value) for file in card.files)


@every_release
def test_a_bad_value_is_named_with_file_line_and_column(release, raw, tmp_path):
    file, line, old, new, message = release.bad_value
    folder = copy_of(raw, release.name, tmp_path / "raw")
    releases.replace_in(folder / file, line, old, new)
    with pytest.raises(ValueError, match=rf"{re.escape(file)}, line {line}, {message}"):
        source(release, folder).prepare(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@every_release
def test_another_layout_is_refused(release, raw, tmp_path):
    """The first line of each file loses its last value: a column of the header, or one too few values."""
    for path in sorted(raw[release.name][0].iterdir()):
        folder = copy_of(raw, release.name, tmp_path / f"of_{path.name}")
        first, *rest = path.read_bytes().decode("latin-1").split("\n")
        cut = re.sub(r"(,|::|\t|\|)[^,:\t|]*$", "", first)
        (folder / path.name).write_bytes("\n".join([cut, *rest]).encode("latin-1"))
        with pytest.raises(ValueError, match=rf"{re.escape(path.name)}(, line \d|: the column)"):
            source(release, folder).prepare(tmp_path / "out")


def test_files_packed_with_gzip(raw, prepared, tmp_path):
    for name in ("census_income", "movielens", "wechat"):
        [release] = [release for release in RELEASES if release.name == name]
        folder = copy_of(raw, name, tmp_path / name)
        for path in list(folder.iterdir()):
            releases.pack(path)
        assert source(release, folder).prepare(tmp_path / "out" / name).rows == prepared[name].rows


def test_splits_of_the_releases(raw, prepared, tmp_path):
    """The test part is that of the release; the valid part is cut out of one of the files by a fixed rule."""
    ali_ccp = prepared["ali_ccp"]
    kept = len(raw["ali_ccp"][1])
    assert ali_ccp.rows["test"] == kept // 2
    assert ali_ccp.rows["valid"] in range(15, 21)  # twenty of the samples, but those that contradict themselves
    assert prepared["aliexpress"].rows == {"train": 54 * 5, "valid": 6 * 5, "test": 100}
    assert prepared["census_income"].rows == {"train": 200, "valid": 100, "test": 100}
    searches = [set(prepared["aliexpress"].columns(split, ["group"])["group"]) for split in ("train", "valid", "test")]
    assert [len(of_part) for of_part in searches] == [54, 6, 20]
    assert len(set.union(*searches)) == 80
    with pytest.raises(ValueError, match="the rows of ali_ccp have no date; use split='release' or 'random'"):
        datasets.AliCCP(raw["ali_ccp"][0]).prepare(tmp_path / "out", "date")
    with pytest.raises(ValueError, match="the release of wechat has no test part of its own; use split='random'"):
        datasets.WeChat(raw["wechat"][0]).prepare(tmp_path / "out", "release")
    with pytest.raises(ValueError, match="split='release' has no dates: leave out test_from"):
        datasets.AliCCP(raw["ali_ccp"][0]).prepare(tmp_path / "out", test_from=3)
    with pytest.raises(ValueError, match="no k-core; leave k_core out"):
        datasets.CensusIncome(raw["census_income"][0]).prepare(tmp_path / "out", k_core=2)
    dated = datasets.WeChat(raw["wechat"][0]).prepare(tmp_path / "dated", "date")
    days = pd.read_csv(raw["wechat"][0] / "user_action.csv").drop_duplicates()["date_"]
    assert dated.rows == {"train": (days <= 12).sum(), "valid": (days == 13).sum(), "test": (days == 14).sum()}


def values_of(data, name):
    """The raw values of a categorical feature, None where missing."""
    values = data.schema.vocabularies[name].values
    return np.array([None, *values.tolist()], dtype=object)[whole(data, name)]


def test_wechat_takes_the_first_of_each_list(prepared):
    data = prepared["wechat"]
    assert set(values_of(data, "first_manual_tag")) == {"81", "6", None}
    assert set(values_of(data, "first_machine_tag")) == {"269", None}
    assert set(values_of(data, "first_manual_keyword")) == {"15", "8", None}
    assert set(values_of(data, "bgm_song_id")) == {5, 6, None}


def test_wechat_thresholds(raw, tmp_path):
    data = datasets.WeChat(raw["wechat"][0], ["effective_view", "long_view"], effective_seconds=18, long_seconds=7)
    data = data.prepare(tmp_path / "out")
    expected = raw["wechat"][1]
    assert whole(data, "effective_view").sum() == expected["long_view"].sum()
    assert whole(data, "long_view").sum() == expected["effective_view"].sum()
    assert data.manifest["arguments"]["effective_seconds"] == 18


def test_ali_ccp_joins_what_samples_have_in_common(raw, prepared):
    data = prepared["ali_ccp"]
    frame = pd.DataFrame({name: values_of(data, name) for name in ("user_id", "item_id", "gender", "brand")})
    # Row r of each file: user 1000 + r % 12, item r % 19; the fields of an item go with it.
    assert set(frame["user_id"]) == set(range(1000, 1012))
    assert (frame["gender"] == frame["user_id"] % 2).all()
    assert (frame["brand"] == frame["item_id"] % 4).all()
    assert set(values_of(data, "intentions_x_intention")) == {None}
    both = raw["ali_ccp"][1]
    assert not ((whole(data, "conversion") == 1) & (whole(data, "click") == 0)).any()
    assert whole(data, "conversion").sum() == both["conversion"].sum()


def test_ali_ccp_conversions_of_clicked_impressions(raw, prepared, tmp_path):
    data = datasets.AliCCP(raw["ali_ccp"][0], clicked_only=True).prepare(tmp_path / "out")
    assert data.schema.task("conversion").mask == "clicked"
    np.testing.assert_array_equal(whole(data, "clicked"), whole(data, "click"))
    assert prepared["ali_ccp"].schema.task("conversion").mask is None


def test_census_columns_that_say_the_label(prepared):
    telltale = {"tax_filer_status", "household_and_family", "household_summary"}
    assert not telltale & set(prepared["census_income"].schema.feature_names)
    kept = set(datasets.CensusIncome("census", keep_spelled_out=True).spec().categorical)
    assert telltale | {"education"} <= kept
    assert "marital_status" not in kept
    assert telltale | {"education", "marital_status"} <= set(
        datasets.CensusIncome("census", ["income"]).spec().categorical
    )


def test_movielens_1m_is_read_as_100k_is(raw, prepared, tmp_path):
    labels = releases.movielens(tmp_path, small=False)
    data = datasets.MovieLens(tmp_path).prepare(tmp_path / "out")
    small = prepared["movielens"]
    for task in labels:
        np.testing.assert_array_equal(whole(data, task), whole(small, task))
    for name in ("user_id", "movie_id"):
        np.testing.assert_array_equal(values_of(data, name), values_of(small, name))
    np.testing.assert_array_equal(whole(data, "year"), whole(small, "year"))
    assert set(whole(data, "genre_action")) == set(whole(data, "genre_childrens")) == {1}
    assert set(values_of(data, "zip_area")) == {"48"}
    assert set(whole(data, "age")) == {25}
    films = values_of(small, "movie_id").astype(int)
    # The flags of 100K begin with one for "unknown", which is no genre.
    np.testing.assert_array_equal(whole(small, "genre_action"), films % 3 == 0)
    np.testing.assert_array_equal(whole(small, "genre_adventure"), 0)
    np.testing.assert_array_equal(whole(small, "year"), 1970 + films)


def test_films_with_an_error_name_the_line(raw, tmp_path):
    for name, old, new, message in [
        ("short", "|url", "", "line 4: 23 values, but the release has 24"),
        ("text", "4|", "four|", "line 4, column 'movie_id': 'four' is not an integer"),
    ]:
        folder = copy_of(raw, "movielens", tmp_path / name)
        releases.replace_in(folder / "u.item", 4, old, new)
        with pytest.raises(ValueError, match=f"u.item, {message}"):
            datasets.MovieLens(folder).prepare(tmp_path / "out")


def test_kuairand_versions_are_not_mixed(raw, tmp_path):
    folder = copy_of(raw, "kuairand", tmp_path / "raw")
    (folder / "video_features_basic_pure.csv").rename(folder / "video_features_basic_1k.csv")
    with pytest.raises(ValueError, match="holds files of 1k and pure, whose ids are numbered differently"):
        datasets.KuaiRand(folder).prepare(tmp_path / "out")


def test_kuairand_27k_comes_in_parts(raw, prepared, tmp_path):
    """The file names are those of the release's description."""
    folder = tmp_path / "raw"
    folder.mkdir()
    log = pd.read_csv(raw["kuairand"][0] / "log_standard_4_22_to_5_08_pure.csv")
    for number, name in enumerate(("4_08_to_4_21_27k_part1", "4_08_to_4_21_27k_part2", "4_22_to_5_08_27k_part1")):
        log.iloc[number::3].to_csv(folder / f"log_standard_{name}.csv", index=False)
    for name in ("user_features", "video_features_basic"):
        (folder / f"{name}_27k.csv").write_bytes((raw["kuairand"][0] / f"{name}_pure.csv").read_bytes())
    (folder / "video_features_statistic_27k_part1.csv").write_text("never read")
    data = datasets.KuaiRand(folder, tasks=prepared["kuairand"].schema.task_names).prepare(tmp_path / "out")
    assert data.rows == prepared["kuairand"].rows


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("aliexpress", {"country": "DE"}, "country='DE' is not known.*Known: NL, ES, FR, US, RU"),
        ("movielens", {"liked_from": 6}, "liked_from=6 is no rating; take 1 to 5"),
        ("wechat", {"long_seconds": "ten"}, "long_seconds must be a positive number of seconds, got 'ten'"),
        ("wechat", {"effective_seconds": 0}, "effective_seconds must be a positive number"),
        ("kuairand", {"include_random": "yes"}, "include_random is true or false, got 'yes'"),
        ("census_income", {"tasks": ["incom"]}, "task='incom' is not known; did you mean 'income'"),
    ],
)
def test_bad_options(name, options, message):
    with pytest.raises(ValueError, match=message):
        datasets.get(name)("somewhere", **options)


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "message"),
    [
        ("movielens", "u.data", "\t", "\t0\t0\t7\t", "line 2"),
        ("aliexpress", "es_item_test.csv", None, None, "column 'click': the value 5.0 in row .* is no label"),
        ("census_income", "census-income.data", "50000", "60000", "column 'income': .* is missing or NaN"),
    ],
)
def test_labels_that_are_none(raw, tmp_path, name, file, old, new, message):
    [release] = [release for release in RELEASES if release.name == name]
    folder = copy_of(raw, name, tmp_path / "raw")
    if old is None:
        first, *rest = (folder / file).read_text().split("\n")
        (folder / file).write_text("\n".join([re.sub(r"\d+$", "5", first), *rest]))
    else:
        releases.replace_in(folder / file, 2, old, new)
    with pytest.raises(ValueError, match=message):
        source(release, folder).prepare(tmp_path / "out")


@pytest.mark.skipif(not (SHARED / "ml-100k").is_dir(), reason="ml-100k is not beside the repository (../shared/data)")
def test_real_movielens():
    source = datasets.MovieLens(SHARED / "ml-100k")
    with duckdb.connect() as connection:
        columns = ["user_id", "movie_id", "date", "age", "occupation", "year", "genre_animation", "genre_action"]
        frame = source.read(connection, source.files()).select(*columns, *source.tasks)
        rows = frame.collect(backend="pandas").to_native()
    names = ["user", "film", "rating", "time"]
    ratings = pd.read_csv(SHARED / "ml-100k" / "u.data", sep="\t", names=names)
    assert rows[["liked", "loved", "disliked"]].sum().tolist() == [
        (ratings["rating"] >= 4).sum(),
        (ratings["rating"] == 5).sum(),
        (ratings["rating"] <= 2).sum(),
    ]
    assert rows.groupby("movie_id").size().to_dict() == ratings.groupby("film").size().to_dict()
    days = pd.to_datetime(ratings["time"], unit="s").dt.strftime("%Y%m%d").astype(int)
    assert sorted(rows["date"]) == sorted(days)
    toy_story = rows[rows["movie_id"] == 1][["year", "genre_animation", "genre_action"]].drop_duplicates()
    assert toy_story.to_numpy().tolist() == [[1995, 1, 0]]
    assert set(rows[rows["user_id"] == 1]["occupation"]) == {"technician"}


MINI = SHARED / "wechat_algo_data1_mini"


@pytest.mark.skipif(not MINI.is_dir(), reason="the first rows of WeChat are not beside the repository (../shared/data)")
def test_real_wechat(tmp_path):
    data = datasets.WeChat(MINI, ["effective_view", "like", "read_comment"]).prepare(tmp_path / "out")
    log = pd.read_csv(MINI / "user_action_mini.csv")
    assert sum(data.rows.values()) == len(log.drop_duplicates()) == 99
    for task in ("like", "read_comment"):
        assert whole(data, task).sum() == log[task].sum()
    feeds = pd.read_csv(MINI / "feed_info_mini.csv")
    log = log.merge(feeds, how="left", on="feedid")
    assert (
        whole(data, "effective_view").sum()
        == ((log["play"] >= 7000) | (log["play"] >= 1000 * log["videoplayseconds"])).sum()
    )
