"""KuaiRand in the official layout: small files written here, and the real rows where they are."""

from pathlib import Path

import kuairand_files
import numpy as np
import pandas as pd
import pytest
from kuairand_files import LOG_NAME

from tf_gradcraft.data_pipelines import PreparedData, datasets
from tf_gradcraft.data_pipelines.datasets import kuairand

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "KuaiRand-Pure" / "data"


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return kuairand_files.write(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def data(raw, tmp_path_factory):
    return datasets.KuaiRand(raw, tasks=kuairand.TASKS).prepare(tmp_path_factory.mktemp("out") / "by_date", "date")


def whole(data: PreparedData, name: str) -> np.ndarray:
    return np.concatenate([data.columns(split, [name])[name] for split in ("train", "valid", "test")])


def test_labels_by_name(data):
    log = kuairand_files.frames()[LOG_NAME]
    assert data.schema.task_names == kuairand.TASKS
    for task, column in kuairand.LABELS.items():
        np.testing.assert_array_equal(whole(data, task), log[column])
    complete = (log["play_time_ms"] >= log["duration_ms"]) & (log["duration_ms"] > 0)
    np.testing.assert_array_equal(whole(data, "complete_view"), complete)


def test_date_boundaries(data):
    dates = kuairand_files.frames()[LOG_NAME]["date"]
    wanted = {
        "train": (dates <= 20220501).sum(),
        "valid": dates.between(20220502, 20220503).sum(),
        "test": (dates >= 20220504).sum(),
    }
    assert data.rows == wanted


def test_no_outcome_is_a_feature(data):
    outcomes = {*kuairand.LABELS.values(), "play_time_ms", "profile_stay_time", "comment_stay_time", "is_rand"}
    assert not outcomes & {feature.name for feature in data.schema.features if feature.name != "long_view"}
    raw_names = {feature.name for feature in data.schema.features if feature.raw}
    assert not raw_names & (outcomes | set(kuairand.TASKS))
    assert {"user_id", "video_id", "author_id", "tab", "hour", "duration_ms", "onehot_feat17"} <= raw_names


def test_features_are_joined_and_nothing_is_missing(data):
    tables = kuairand_files.frames()
    log = tables[LOG_NAME].merge(tables["user_features_pure.csv"], how="left", on="user_id")
    log = log.merge(tables["video_features_basic_pure.csv"], how="left", on="video_id")
    for name in ("user_id", "tag", "onehot_feat4", "video_type", "is_live_streamer"):
        values = data.schema.vocabularies[name].values
        decoded = np.array([None, *values.tolist()], dtype=object)[whole(data, name)]
        expected = log[name].astype(object).where(log[name].notna(), None)
        assert decoded.tolist() == expected.tolist()
    median = log.loc[log["date"] <= 20220501, "server_width"].median()
    np.testing.assert_array_equal(whole(data, "server_width"), log["server_width"].fillna(median).astype("float32"))
    np.testing.assert_array_equal(whole(data, "group"), log["user_id"])
    np.testing.assert_array_equal(whole(data, "hour") > 0, True)
    for name in data.schema.feature_names:
        assert not np.isnan(whole(data, name)).any(), name


def test_statistics_have_their_names_and_keys(data):
    for key in ("user_id", "video_id", "author_id", "music_id", "tag", "user_id_x_tab", "tab_x_hour"):
        names = [feature.name for feature in data.schema.of_kind("statistic") if feature.key == key]
        assert names == [f"{key}_{task}_rate" for task in kuairand.TASKS] + [f"{key}_count"]
        assert sorted(data.schema.vocabularies[key].statistics) == sorted(names)


def test_duplicates_and_log_files(tmp_path):
    tables = kuairand_files.frames()
    log = tables.pop(LOG_NAME)
    tables["log_standard_4_08_to_4_21_pure.csv"] = log.iloc[:300]
    tables[LOG_NAME] = pd.concat([log.iloc[300:], log.iloc[:50], log.iloc[-20:]])
    tables["log_random_4_22_to_5_08_pure.csv"] = log.iloc[:100].assign(is_rand=1)
    kuairand_files.write(tmp_path / "raw", tables)
    assert sum(datasets.KuaiRand(tmp_path / "raw").prepare(tmp_path / "a").rows.values()) == len(log)
    both = datasets.KuaiRand(tmp_path / "raw", include_random=True).prepare(tmp_path / "b")
    assert sum(both.rows.values()) == len(log) + 100


def test_one_log_file_alone_and_27k_names(tmp_path):
    tables = {name.replace("_pure", "_27k"): table for name, table in kuairand_files.frames().items()}
    tables["log_standard_4_08_to_4_21_27k_part1.csv"] = tables.pop(LOG_NAME.replace("_pure", "_27k"))
    kuairand_files.write(tmp_path / "raw", tables)
    assert sum(datasets.KuaiRand(tmp_path / "raw").prepare(tmp_path / "out").rows.values()) == 900


def test_k_core_of_the_log(raw, tmp_path):
    log = kuairand_files.frames()[LOG_NAME]
    while True:
        kept = log[log.groupby("user_id")["user_id"].transform("size") >= 26]
        kept = kept[kept.groupby("video_id")["video_id"].transform("size") >= 26]
        if len(kept) == len(log):
            break
        log = kept
    assert 0 < len(log) < 900
    data = datasets.KuaiRand(raw).prepare(tmp_path / "out", k_core=26)
    assert sum(data.rows.values()) == len(log)
    assert set(whole(data, "group")) == set(log["user_id"])


@pytest.mark.parametrize("tasks", [["clik"], "click", [], ["click", "click"]])
def test_bad_tasks(tasks):
    with pytest.raises(ValueError, match="task"):
        datasets.KuaiRand("somewhere", tasks=tasks)


def test_missing_folder_and_files(raw, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere is no folder; get the release from https"):
        datasets.KuaiRand(tmp_path / "nowhere").prepare(tmp_path / "out")
    for name in kuairand_files.frames():
        tables = kuairand_files.frames()
        del tables[name]
        folder = kuairand_files.write(tmp_path / f"without_{name}", tables)
        with pytest.raises(FileNotFoundError, match=f"holds no {name[:13]}"):
            datasets.KuaiRand(folder).prepare(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("file", "column", "value", "message"),
    [
        (LOG_NAME, "is_click", "yes", r"{file}, line 12, column 'is_click': 'yes' is not an integer; repair"),
        (LOG_NAME, "is_like", 3, r"{file}.*column 'like': the value 3.0 in row 10 is no label of a binary task"),
        (LOG_NAME, "long_view", "", r"{file}.*column 'long_view': the value nan in row 10 is missing"),
        (
            "user_features_pure.csv",
            "fans_user_num",
            "many",
            r"{file}, line 12, column 'fans_user_num': 'many' is not a num",
        ),
        (
            "video_features_basic_pure.csv",
            "author_id",
            "x1",
            r"{file}, line 12, column 'author_id': 'x1' is not an int",
        ),
    ],
)
def test_bad_values_name_file_line_and_column(tmp_path, file, column, value, message):
    tables = kuairand_files.frames()
    tables[file][column] = tables[file][column].astype(object)
    tables[file].loc[10, column] = value
    folder = kuairand_files.write(tmp_path / "raw", tables)
    with pytest.raises(ValueError, match=message.format(file=file)):
        datasets.KuaiRand(folder).prepare(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


def test_lines_cut_short_missing_columns_and_empty_files(tmp_path):
    folder = kuairand_files.write(tmp_path / "raw")
    log = folder / LOG_NAME
    text = log.read_text()
    log.write_text(text[: len(text) - 20])
    with pytest.raises(ValueError, match=rf"{LOG_NAME}, line 901, .*repair or remove that line"):
        datasets.KuaiRand(folder).prepare(tmp_path / "out")
    log.write_text(text.replace("duration_ms", "duration", 1))
    with pytest.raises(ValueError, match=rf"{LOG_NAME}: the column 'duration_ms' is missing; the header has user_id"):
        datasets.KuaiRand(folder).prepare(tmp_path / "out")
    log.write_text("")
    with pytest.raises(ValueError, match=rf"{LOG_NAME} is empty"):
        datasets.KuaiRand(folder).prepare(tmp_path / "out")


def test_empty_split_names_the_dates(raw, tmp_path):
    with pytest.raises(ValueError, match=r"no row in: test .* the dates run from 20220429 to 20220506"):
        datasets.KuaiRand(raw).prepare(tmp_path / "out", split="date", test_from=20220601)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real KuaiRand rows are not beside the repository (../shared/data)")
def test_real_rows(tmp_path):
    data = datasets.KuaiRand(REAL).prepare(tmp_path / "out", split="date")
    assert data.rows == {"train": 89_478, "valid": 30_088, "test": 57_998}
    positives = {task: round(rate * 57_998) for task, rate in data.manifest["label_rates"]["test"].items()}
    assert positives == {
        "click": 25_770,
        "long_view": 18_170,
        "complete_view": 8_063,
        "like": 972,
        "profile_enter": 1_051,
        "comment": 154,
    }
    test = data.columns("test")
    for task, least in {"click": 0.68, "long_view": 0.68, "complete_view": 0.76, "like": 0.75}.items():
        score = pd.Series(test[f"user_id_{task}_rate"] + test[f"video_id_{task}_rate"]).rank()
        positive = test[task] == 1
        n = positive.sum()
        auc = (score[positive].sum() - n * (n + 1) / 2) / (n * (len(score) - n))
        assert auc > least, (task, auc)


def test_features_of_the_video_come_with_each_candidate(data):
    sides = {name: data.schema.side(name) for name in data.schema.feature_names}
    raw = {feature.name for feature in data.schema.features if feature.raw}
    numbers = {"duration_ms", "server_width", "server_height"}
    assert {name for name in raw if sides[name] == "candidate"} == set(kuairand.VIDEO_TYPES) | numbers
    assert sides["user_id_x_tab"] == sides["user_id_click_rate"] == "request"
    assert sides["video_id_click_rate"] == "candidate"
    assert data.schema.feature("server_width").missing > 0
