"""What a search is started with, kept in its folder so that the same command goes on with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tf_gradcraft.cli.options import parse_numbers
from tf_gradcraft.files.json_files import read_json, write_json
from tf_gradcraft.suggestions import unknown_name
from tf_gradcraft.tuning.axes import AXES, Axis, parse_axis

SEARCH_FILE, TRIALS_FOLDER, BEST_FOLDER = "search.json", "trials", "best"
TUNERS = ("hyperband", "random", "bayesian", "grid")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """What a search is started with.

    Args:
        prepared: The prepared folder.
        tuner: `"hyperband"`, `"random"`, `"bayesian"` or `"grid"`.
        trials: Number of trials.
        objective: `"auc"`, `"gauc"`, or weights such as `"click=1,like=2"`, with `"gauc:"` before them for group AUC.
        space: Axes as text by name, see `tf_gradcraft.tuning.axes.parse_axis`; the defaults for all others.
        tasks: Names of the tasks; None for all.
        epochs: Most epochs of a trial.
        patience: Epochs without a better objective before a trial stops.
        factor: Hyperband: one in so many trials comes to the next round.
        seed: Seed of the search and of each trial.

    Raises:
        ValueError: If a name is not known or a number out of range.

    Example:
        >>> SearchConfig(prepared="prepared", tuner="hyprband")
        Traceback (most recent call last):
        ValueError: tuner='hyprband' is not known; did you mean 'hyperband'? Known: hyperband, random, bayesian, grid
    """

    prepared: str
    tuner: str = "hyperband"
    trials: int = 20
    objective: str = "auc"
    space: dict[str, str] = dataclasses.field(default_factory=dict)
    tasks: list[str] | None = None
    epochs: int = 20
    patience: int = 3
    factor: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tuner not in TUNERS:
            raise ValueError(unknown_name("tuner", self.tuner, TUNERS))
        for name, least in (("trials", 1), ("epochs", 1), ("patience", 0), ("factor", 2), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        parse_objective(self.objective)
        self.axes()

    def axes(self) -> dict[str, Any]:
        """Returns the axes as arguments of `MultiTaskHyperModel`."""
        given = {name: parse_axis(text) for name, text in self.space.items()}
        axes: dict[str, Any] = {name: axis for name, axis in given.items() if name in AXES}
        settings: dict[str, dict[str, Axis]] = {}
        for name, axis in given.items():
            if name in AXES:
                continue
            method, dot, of = name.partition(".")
            if not dot or not of:
                raise ValueError(unknown_name("--space", name, AXES) + "; or METHOD.NAME, such as metabalance.target")
            settings.setdefault(method, {})[of] = axis
        return {**axes, "balancing_settings": settings}


def parse_space(items: Iterable[str]) -> dict[str, str]:
    """Returns axes given as `name=values`, as text by name.

    Raises:
        ValueError: If an item has another form, or a name is given twice.

    Example:
        >>> parse_space(["tau=0..1:0.1", "units=64-32,128-64"])
        {'tau': '0..1:0.1', 'units': '64-32,128-64'}
    """
    space: dict[str, str] = {}
    for item in items:
        name, equals, text = (part.strip() for part in item.partition("="))
        if not equals or not name or not text:
            raise ValueError(f"--space {item!r} is no name=values; write it such as --space tau=0..1:0.1")
        if name in space:
            raise ValueError(f"--space {name} is given twice; give it once")
        space[name] = text
    return space


def parse_objective(text: str) -> tuple[str, dict[str, float]]:
    """Returns the metric and the weights by task that an objective names; without weights, the mean over tasks.

    Raises:
        ValueError: If the text has another form.

    Example:
        >>> parse_objective("gauc"), parse_objective("click=1,like=2"), parse_objective("gauc:like=1")
        (('gauc', {}), ('auc', {'click': 1.0, 'like': 2.0}), ('gauc', {'like': 1.0}))
    """
    metric, colon, weights = text.partition(":")
    if not colon and "=" in text:
        metric, weights = "auc", text
    if metric not in ("auc", "gauc"):
        raise ValueError(f"objective {text!r} is none of auc, gauc, click=1,like=2 (weights by task) and gauc:like=1")
    return metric, parse_numbers("--objective", [part for part in weights.split(",") if part.strip()])


def claim(folder: Path, config: SearchConfig) -> None:
    """Writes a search's configuration into its folder, or checks that it is the one that is there.

    More trials than before are no other search.

    Raises:
        FileExistsError: If the folder holds something else, or another search; the message says what differs.
    """
    path = folder / SEARCH_FILE
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileExistsError(f"{folder} exists and is no search (no {SEARCH_FILE}); choose another --out")
        folder.mkdir(parents=True, exist_ok=True)
    else:
        there, given = dataclasses.asdict(read_search(folder)), dataclasses.asdict(config)
        differs = [name for name in given if given[name] != there[name] and name != "trials"]
        if differs:
            how = "; ".join(f"{name} {there[name]!r} is now {given[name]!r}" for name in differs)
            raise FileExistsError(f"{folder} holds another search: {how}; repeat its options, or choose another --out")
    write_json(path, dataclasses.asdict(config))


def read_search(folder: Path) -> SearchConfig:
    """Returns the configuration of a search folder.

    Raises:
        FileNotFoundError: If it is none.
        ValueError: If its configuration can't be read.
    """
    path = folder / SEARCH_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no folder of a search: it holds no {SEARCH_FILE}")
    try:
        return SearchConfig(**read_json(path, "choose another --out"))
    except TypeError as error:
        raise ValueError(f"{path} can't be read ({error}); choose another --out") from error
