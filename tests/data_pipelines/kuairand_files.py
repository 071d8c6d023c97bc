"""Small files in the layout of the official KuaiRand release."""

from pathlib import Path

import numpy as np
import pandas as pd

from tf_gradcraft.data_pipelines.datasets import kuairand

LOG_NAME = "log_standard_4_22_to_5_08_pure.csv"
LOG_COLUMNS = (
    *("user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "is_like", "is_follow", "is_comment"),
    *("is_forward", "is_hate", "long_view", "play_time_ms", "duration_ms", "profile_stay_time", "comment_stay_time"),
    *("is_profile_enter", "is_rand", "tab"),
)


def frames(rows: int = 900, seed: int = 0) -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(seed)
    users, videos = 30, 20
    log = pd.DataFrame({name: random.integers(0, 2, rows) for name in LOG_COLUMNS})
    log["user_id"] = random.integers(1, users + 1, rows)
    log["video_id"] = random.integers(0, videos, rows)
    log["date"] = np.sort(random.choice([20220429, 20220430, 20220501, 20220502, 20220503, 20220504, 20220506], rows))
    log["hourmin"] = random.integers(0, 24, rows) * 100
    log["time_ms"] = np.arange(rows) * 1000 + 1650000000000
    log["duration_ms"] = random.integers(0, 5, rows) * 5000
    log["play_time_ms"] = random.integers(0, 5, rows) * 5000
    log["tab"] = random.integers(0, 5, rows)
    log["is_rand"] = 0
    user = pd.DataFrame({"user_id": np.arange(1, users + 1)})
    for name, kind in kuairand.USER_TYPES.items():
        if name != "user_id":
            values = random.integers(0, 3, users)
            user[name] = values if kind == "int64" else np.array(["full_active", "(0,10]", "UNKNOWN"])[values]
    user["is_live_streamer"] = -124
    for name in kuairand.USER_NUMBERS:
        user[name] = random.integers(0, 1000, users)
    # As in the release: floats because of missing values.
    user["onehot_feat4"] = [np.nan, 4.0, 0.0] * (users // 3)
    video = pd.DataFrame({"video_id": np.arange(videos - 2)})  # two videos have no features
    for name, kind in kuairand.VIDEO_TYPES.items():
        if name != "video_id":
            values = random.integers(0, 4, videos - 2)
            video[name] = values if kind == "int64" else np.array(["39", "39,68", "3", None], dtype=object)[values]
    for name in kuairand.VIDEO_NUMBERS:
        video[name] = random.choice([720.0, 1080.0], videos - 2)
    return {LOG_NAME: log, "user_features_pure.csv": user, "video_features_basic_pure.csv": video}


def write(folder: Path, tables: dict[str, pd.DataFrame] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (tables or frames()).items():
        table.to_csv(folder / name, index=False)
    return folder
