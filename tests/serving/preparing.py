"""What preparation makes of raw rows, computed without TensorFlow."""

import numpy as np
import pandas as pd

from tf_gradcraft.data_pipelines.vocabulary import cross_codes


def encoded_by_numpy(schema, raw):
    """The same encoding in NumPy, feature by feature."""
    encoded, vocabularies = {}, schema.vocabularies
    for name in ("user_id", "tag", "empty"):
        encoded[name] = vocabularies[name].encode(raw[name])
    codes = cross_codes([encoded["user_id"], encoded["tag"]], [5, 5])
    encoded["user_id_x_tag"] = vocabularies["user_id_x_tag"].encode(codes)
    encoded["rate"] = vocabularies["user_id"].statistics["rate"][encoded["user_id"]]
    encoded["cross_count"] = vocabularies["user_id_x_tag"].statistics["cross_count"][encoded["user_id_x_tag"]]
    for name, missing in (("duration", 7.5), ("age", 37.0)):
        encoded[name] = np.where(np.isfinite(raw[name]), raw[name], missing).astype("float32")
    return encoded


def raw_test_rows(folder):
    """The raw rows of the test days, in the order of preparation."""
    log, users, videos = (pd.read_csv(folder / f"{name}.csv") for name in ("log", "users", "videos"))
    log = log[log["day"] >= 13].drop_duplicates().sort_values(["time_s", "user_id", "video_id"])
    return log.merge(users, on="user_id", how="left").merge(videos, on="video_id", how="left")
