"""Small files in the layout of each release, and what the labels in them are by an independent rule.

Adding a data set: one `Release` in `RELEASES`. The tests of `test_datasets.py` then run on it.
"""

import dataclasses
import gzip
from collections.abc import Callable
from pathlib import Path

import kuairand_files
import numpy as np
import pandas as pd

ROWS = 400


@dataclasses.dataclass(frozen=True)
class Release:
    """One data set in its official layout.

    name: Name in the registry.
    write: Writes the files into a folder and returns the labels of all rows that are kept, one column a task.
    bad_value: A file, the line to change (from 1), what to replace in it and by what; and the column and the message.
    raw: Raw features that must be there, among others.
    options: Options of the constructor.
    """

    name: str
    write: Callable[[Path], pd.DataFrame]
    bad_value: tuple[str, int, str, str, str]
    raw: tuple[str, ...]
    options: dict = dataclasses.field(default_factory=dict)


def write_lines(path, rows, delimiter, encoding="utf-8"):
    text = "".join(delimiter.join(str(value) for value in row) + "\n" for row in rows)
    path.write_bytes(text.encode(encoding))


def kuairand(folder):
    tables = kuairand_files.frames(ROWS)
    kuairand_files.write(folder, tables)
    log = tables[kuairand_files.LOG_NAME]
    labels = pd.DataFrame({name.removeprefix("is_"): log[name] for name in ("is_click", "long_view", "is_like")})
    labels["complete_view"] = ((log["play_time_ms"] >= log["duration_ms"]) & (log["duration_ms"] > 0)).astype(int)
    return labels


def wechat(folder):
    random = np.random.default_rng(1)
    actions = ("read_comment", "comment", "like", "click_avatar", "forward", "follow", "favorite")
    log = pd.DataFrame({"userid": random.integers(1, 30, ROWS), "feedid": random.permutation(ROWS) % 40})
    log["date_"] = random.integers(1, 15, ROWS)
    log["device"] = random.integers(1, 3, ROWS)
    for action in actions:
        log[action] = random.integers(0, 2, ROWS)
    log["play"], log["stay"] = random.integers(0, 40_000, ROWS), np.arange(ROWS)
    # The last feed has no row: its length is not known.
    feeds = pd.DataFrame({"feedid": np.arange(39), "authorid": np.arange(39) % 7})
    feeds["videoplayseconds"] = random.choice([4, 10, 30], 39)
    for name in ("description", "ocr", "asr"):
        feeds[name] = "1 2 3"
    feeds["bgm_song_id"] = [5.0, None, 6.0] * 13
    feeds["bgm_singer_id"] = [1.0, 2.0, None] * 13
    feeds["manual_keyword_list"] = ["15;7;9", None, "8"] * 13
    feeds["machine_keyword_list"] = "26334;219"
    feeds["manual_tag_list"] = ["81;269", "6", None] * 13
    feeds["machine_tag_list"] = "269 0.8525666;81 0.3;8 1.1e-07"
    order = ["userid", "feedid", "date_", "device", "read_comment", "comment", "like", "play", "stay", *actions[3:]]
    pd.concat([log, log.head(9)])[order].to_csv(folder / "user_action.csv", index=False)  # nine rows twice
    feeds.to_csv(folder / "feed_info.csv", index=False)
    length = log["feedid"].map(dict(zip(feeds["feedid"], 1000 * feeds["videoplayseconds"], strict=True)))
    whole = log["play"] >= length
    return pd.DataFrame(
        {
            "effective_view": (log["play"] >= 7000) | whole,
            "long_view": (log["play"] >= 18_000) | whole,
            "complete_view": whole,
            **{action: log[action] for action in ("like", "follow", "forward")},
        }
    ).astype(int)


def ali_ccp(folder):
    random = np.random.default_rng(2)
    labels = []
    for part in ("train", "test"):
        click = random.integers(0, 2, ROWS // 2)
        conversion = random.integers(0, 2, ROWS // 2) * click
        conversion[click == 0] = [1] + [0] * (np.sum(click == 0) - 1)  # a contradiction, to be dropped
        skeleton, common = [], []
        for row in range(ROWS // 2):
            fields = [
                ("205", row % 19),
                ("206", row % 5),
                ("207", row % 9),
                ("216", row % 19 % 4),
                ("301", 1 + row % 3),
            ]
            fields += [("210", 1), ("210", 2), ("508", row % 6), ("509", 3), ("702", 4)]  # 853 is not in every row
            features = "\x01".join(f"{field}\x02{value}\x031.0" for field, value in fields)
            key = f"bacff9{row % 12}"
            skeleton.append((row + 1, click[row], conversion[row], key, len(fields), features))
        for user in range(12):
            fields = [("109_14", 101), ("101", 1000 + user), ("121", 1), ("122", 2), ("124", user % 2), ("125", 3)]
            fields += [("126", 1), ("127", 2), ("128", 1), ("129", 4)]
            features = "\x01".join(f"{field}\x02{value}\x030.69315" for field, value in fields)
            common.append((f"bacff9{user}", len(fields), features))
        write_lines(folder / f"sample_skeleton_{part}.csv", skeleton, ",")
        write_lines(folder / f"common_features_{part}.csv", common, ",")
        kept = (click == 1) | (conversion == 0)
        labels.append(pd.DataFrame({"click": click[kept], "conversion": conversion[kept]}))
    return pd.concat(labels)


def aliexpress(folder):
    random = np.random.default_rng(3)
    labels = []
    for part, pages in (("train", 60), ("test", 20)):
        users = [[f"s{page}", *random.integers(0, 5, 32)] for page in range(pages)]
        feedback = random.integers(0, 3, 5 * pages)
        items = [[f"s{row // 5}", *random.integers(0, 9, 47), value] for row, value in enumerate(feedback)]
        users.append(users[0])  # a search that stands there twice is one
        items.append(["no such search", *random.integers(0, 9, 47), 1])
        write_lines(folder / f"es_user_{part}.csv", users, ",")
        write_lines(folder / f"es_item_{part}.csv", items, ",")
        labels.append(pd.DataFrame({"click": feedback > 0, "pay": feedback > 1}))
    return pd.concat(labels).astype(int)


def census_income(folder):
    random = np.random.default_rng(4)
    labels = []
    for part in ("data", "test"):
        people = []
        for _ in range(ROWS // 2):
            person = ["Not in universe"] * 42
            for column in (0, 5, 16, 17, 18, 24, 30, 39):
                person[column] = random.integers(0, 90)
            person[4] = random.choice(["Children", "High school graduate", "Bachelors degree(BA AB BS)"])
            person[7] = random.choice(["Never married", "Divorced", "Widowed"])
            person[25] = "?"
            person[40] = random.choice([94, 95])
            person[41] = random.choice(["- 50000.", "50000+."])
            people.append(person)
        (folder / f"census-income.{part}").write_text("".join(", ".join(map(str, row)) + "\n" for row in people))
        labels += [(row[41] == "50000+.", row[7] == "Never married", row[4].startswith("Bach")) for row in people]
    return pd.DataFrame(labels, columns=["income", "never_married", "college"]).astype(int)


def movielens(folder, small=True):
    random = np.random.default_rng(5)
    pairs = random.permutation(30 * 25)[:ROWS]
    ratings = random.integers(1, 6, ROWS)
    times = random.integers(874_724_710, 893_286_638, ROWS)
    rows = list(zip(pairs // 25 + 1, pairs % 25 + 1, ratings, times, strict=True))
    if small:
        people = [(user, 20 + user, "MF"[user % 2], "writer", "85711") for user in range(1, 31)]
        films = [(film, f"Caf\xe9 {film} (19{70 + film})", "01-Jan-1995", "", "url") for film in range(1, 26)]
        films = [(*film, *[film[0] % 3 == 0] * 2, *[0] * 17) for film in films]
        write_lines(folder / "u.data", rows, "\t")
        write_lines(folder / "u.user", people, "|")
        write_lines(
            folder / "u.item",
            [[int(v) if v is True or v is False else v for v in film] for film in films],
            "|",
            "latin-1",
        )
    else:
        people = [(user, "MF"[user % 2], 25, 12, "48067-1234") for user in range(1, 31)]
        films = [(film, f"Caf\xe9 {film} (19{70 + film})", "Action|Children's") for film in range(1, 26)]
        write_lines(folder / "ratings.dat", rows, "::")
        write_lines(folder / "users.dat", people, "::")
        write_lines(folder / "movies.dat", films, "::", "latin-1")
    return pd.DataFrame({"liked": ratings >= 4, "loved": ratings == 5, "disliked": ratings <= 2}).astype(int)


RELEASES = [
    Release(
        "kuairand",
        kuairand,
        (kuairand_files.LOG_NAME, 12, "20220", "x20220", "column 'date': 'x20220.*' is not an integer"),
        ("user_id", "video_id", "author_id", "duration_ms", "tab"),
    ),
    Release(
        "wechat",
        wechat,
        ("feed_info.csv", 3, "1,1", "1,who", "column 'authorid': 'who' is not an integer"),
        ("userid", "feedid", "authorid", "device", "bgm_song_id", "first_manual_tag", "videoplayseconds"),
    ),
    Release(
        "ali_ccp",
        ali_ccp,
        ("sample_skeleton_test.csv", 7, "7,", "seven,", "column 'sample_id': 'seven' is not an integer"),
        ("user_id", "item_id", "category", "brand", "position", "gender", "intentions_x_intention"),
    ),
    Release(
        "aliexpress",
        aliexpress,
        ("es_item_train.csv", 4, ",", ",x", "column 'item_2': 'x.' is not a number"),
        ("user_2", "user_33", "item_2", "item_48"),
        {"country": "ES"},
    ),
    Release(
        "census_income",
        census_income,
        ("census-income.test", 5, ", Not", "y, Not", "column 'age': '.*y' is not a number"),
        ("age", "sex", "industry", "weeks_worked", "citizenship"),
    ),
    Release(
        "movielens",
        movielens,
        ("u.data", 3, "\t", "\tfilm ", "column 'movie_id': 'film .*' is not an integer"),
        ("user_id", "movie_id", "age", "gender", "occupation", "year", "genre_action", "genre_sci_fi"),
    ),
]


def replace_in(path, line, old, new):
    """Replaces text once in a line of a file."""
    lines = path.read_bytes().decode("latin-1").split("\n")
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    path.write_bytes("\n".join(lines).encode("latin-1"))


def pack(path):
    """Packs a file with gzip, in place of it."""
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
