"""Data sets: one file each, found by name."""

from __future__ import annotations

from typing import Any

from tf_gradcraft.data_pipelines.datasets.ali_ccp import AliCCP
from tf_gradcraft.data_pipelines.datasets.aliexpress import AliExpress
from tf_gradcraft.data_pipelines.datasets.base import TableDataSet
from tf_gradcraft.data_pipelines.datasets.card import Card
from tf_gradcraft.data_pipelines.datasets.census_income import CensusIncome
from tf_gradcraft.data_pipelines.datasets.kuairand import KuaiRand
from tf_gradcraft.data_pipelines.datasets.movielens import MovieLens
from tf_gradcraft.data_pipelines.datasets.pairs import Pairs
from tf_gradcraft.data_pipelines.datasets.synthetic import Synthetic
from tf_gradcraft.data_pipelines.datasets.taobao import RepeatBuyers, UserBehavior
from tf_gradcraft.data_pipelines.datasets.wechat import WeChat
from tf_gradcraft.suggestions import unknown_name

__all__ = [
    "AliCCP",
    "AliExpress",
    "Card",
    "CensusIncome",
    "KuaiRand",
    "MovieLens",
    "Pairs",
    "RepeatBuyers",
    "Synthetic",
    "TableDataSet",
    "UserBehavior",
    "WeChat",
    "get",
    "names",
]

_DATASETS: dict[str, Any] = {
    dataset.name: dataset
    for dataset in (
        KuaiRand,
        WeChat,
        AliCCP,
        AliExpress,
        CensusIncome,
        MovieLens,
        Synthetic,
        Pairs,
        UserBehavior,
        RepeatBuyers,
    )
}


def names() -> tuple[str, ...]:
    """Returns the names of the data sets.

    Example:
        >>> names()[:4]
        ('kuairand', 'wechat', 'ali_ccp', 'aliexpress')
    """
    return tuple(_DATASETS)


def get(name: str) -> Any:
    """Returns the class of a data set: `get(name)(path, tasks=...).prepare(folder, ...)`.

    Raises:
        ValueError: If there is none of that name.

    Example:
        >>> get("kuairand").__name__
        'KuaiRand'
        >>> get("kuairad")
        Traceback (most recent call last):
        ValueError: dataset='kuairad' is not known; did you mean 'kuairand'? Known: kuairand, wechat, ali_ccp, ...
    """
    if name not in _DATASETS:
        raise ValueError(unknown_name("dataset", name, _DATASETS))
    return _DATASETS[name]
