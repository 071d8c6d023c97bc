"""The plan of a comparison: what is compared, with which seeds and which search budget. It is kept beside the runs."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tf_gradcraft.comparison.method import FIXED, SINGLE, SUM, Method, parse_method
from tf_gradcraft.comparison.spaces import Trial, draw_trials
from tf_gradcraft.comparison.training import Training
from tf_gradcraft.files.json_files import read_json, write_json
from tf_gradcraft.files.lock import LOCK_FILE

FORMAT = 1
PLAN_FILE = "plan.json"
SEARCH_SEED = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """One table of the report.

    Args:
        title: Its title.
        labels: Labels of its methods, in order.
        tasks: The tasks that its means are over.
        places: Where a setting is varied: its value by label.
    """

    title: str
    labels: tuple[str, ...]
    tasks: tuple[str, ...]
    places: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What a comparison runs.

    Args:
        title: Title of its report.
        prepared: The prepared folder.
        fingerprint: What tells this prepared folder from another, see `fingerprint_of`.
        methods: All methods, in order.
        groups: The tables that are made of them.
        seeds: Seeds of the runs that count.
        search_seed: Seed of the search runs and of the drawn settings; none of `seeds`.
        trials: Settings that are tried for each model, on the valid part; 0 for no search.
        search_training: Whether learning rate and dropout are searched for every method.
        training: What all runs have in common.

    Raises:
        ValueError: If seeds or methods repeat, or a number is out of range.
    """

    title: str
    prepared: str
    fingerprint: str
    methods: tuple[Method, ...]
    groups: tuple[Group, ...]
    seeds: tuple[int, ...]
    search_seed: int = SEARCH_SEED
    trials: int = 0
    search_training: bool = True
    training: Training = dataclasses.field(default_factory=Training)

    def __post_init__(self) -> None:
        if self.trials < 0:
            raise ValueError(f"trials must be at least 0, got {self.trials}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be different numbers of at least 0, got {list(self.seeds)}")
        if self.trials and self.search_seed in self.seeds:
            raise ValueError(
                f"seed {self.search_seed} is that of the search: its runs are chosen for being good, so they can't "
                "count as well; leave it out of the seeds, or choose another search seed"
            )
        folders: dict[str, str] = {}
        for method in self.methods:
            if (other := folders.setdefault(folder_name(method.label), method.label)) != method.label:
                raise ValueError(f"methods {other!r} and {method.label!r} would get one folder; rename one")
        if len(folders) < len(self.methods):
            raise ValueError(f"a method stands twice in {[method.label for method in self.methods]}; name each once")

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks, in the order of the single-task models, or of the first method."""
        named = {method.label: method for method in self.methods}
        return named[SINGLE].tasks if SINGLE in named else self.methods[0].tasks

    def method(self, label: str) -> Method:
        """Returns the method of that label."""
        return next(method for method in self.methods if method.label == label)

    def trials_of(self, method: Method) -> tuple[Trial, ...]:
        """Returns the settings that a method is tried with, see `draw_trials`."""
        at = self.training
        return draw_trials(
            method, self.trials, self.search_seed, at.learning_rate, at.dropout, search_training=self.search_training
        )


def compare_plan(
    prepared: Path, tasks: Sequence[str], methods: Sequence[str], seeds: Sequence[int], **settings: Any
) -> Plan:
    """Returns the plan of a comparison of methods.

    Single-task models, tuned fixed weights and the plain sum are always part of it. Without a search there are no tuned
    weights: `"fixed"` would be the plain sum again, and is left out.

    Args:
        prepared: The prepared folder.
        tasks: The tasks.
        methods: Texts for `parse_method`.
        seeds: Seeds of the runs that count.
        **settings: Further arguments of `Plan`.
    """
    always = (SINGLE, FIXED, SUM) if settings.get("trials") else (SINGLE, SUM)
    texts = [*always, *(text for text in methods if text not in (SINGLE, FIXED, SUM))]
    chosen = tuple(parse_method(text, tuple(tasks)) for text in texts)
    group = Group(title="All methods", labels=tuple(method.label for method in chosen), tasks=tuple(tasks))
    return Plan(
        title="Comparison of methods",
        prepared=str(prepared.resolve()),
        fingerprint=fingerprint_of(prepared),
        methods=chosen,
        groups=(group,),
        seeds=tuple(seeds),
        **settings,
    )


def fingerprint_of(prepared: Path) -> str:
    """Returns a hash of what a prepared folder holds: of its manifest, which has the hash of each of its files.

    Raises:
        FileNotFoundError: If it is no prepared folder.
    """
    from tf_gradcraft.data_pipelines.manifest import MANIFEST_FILE

    path = prepared / MANIFEST_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{prepared} is no prepared folder: it holds no {MANIFEST_FILE}")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def folder_name(label: str) -> str:
    """Returns a label as the name of a folder.

    Example:
        >>> folder_name("gradcraft:projection=exact")
        'gradcraft-projection=exact'
    """
    return re.sub(r"[^A-Za-z0-9._=@+-]", "-", label)


def write_plan(plan: Plan, out: Path) -> None:
    """Writes the plan of a comparison into its folder."""
    write_json(out / PLAN_FILE, {"format": FORMAT, **dataclasses.asdict(plan)})


def read_plan(out: Path) -> Plan:
    """Reads the plan of a comparison from its folder.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is damaged or of another format.
    """
    path = out / PLAN_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{out} holds no comparison: there is no {PLAN_FILE}")
    values = read_json(path)
    try:
        if (found := values.pop("format")) != FORMAT:
            raise ValueError(f"format {found}, this version reads {FORMAT}")
        values["methods"] = tuple(Method(**of | {"tasks": tuple(of["tasks"])}) for of in values["methods"])
        values["groups"] = tuple(
            Group(**of | {"labels": tuple(of["labels"]), "tasks": tuple(of["tasks"])}) for of in values["groups"]
        )
        return Plan(**values | {"seeds": tuple(values["seeds"]), "training": Training(**values["training"])})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} can't be read ({error}); compare into another folder") from error


def settle(plan: Plan, out: Path) -> Plan:
    """Returns the plan to follow in a folder: the given one, together with what an earlier one has beside it.

    Methods and seeds may be added to a comparison; everything else must be as it was.

    Raises:
        FileExistsError: If the folder holds something else.
        ValueError: If it holds a comparison under another plan.
    """
    if not (out / PLAN_FILE).is_file():
        if out.is_dir() and any(path.name != LOCK_FILE for path in out.iterdir()):
            raise FileExistsError(f"{out} exists and holds no comparison (no {PLAN_FILE}); choose another --out")
        return plan
    before = read_plan(out)
    if changed := differences(before, plan):
        raise ValueError(
            f"{out} holds a comparison under another plan: {changed}. Methods and seeds can be added to it; for "
            "anything else choose another --out"
        )
    known = {method.label: method for method in before.methods}
    for method in plan.methods:
        if known.setdefault(method.label, method) != method:
            raise ValueError(f"{out}: {method.label!r} was trained otherwise; choose another --out")
    return dataclasses.replace(
        plan,
        methods=tuple(known.values()),
        groups=_joined(before.groups, plan.groups),
        seeds=tuple(dict.fromkeys((*before.seeds, *plan.seeds))),
    )


def differences(before: Plan, now: Plan) -> str:
    """Says what two plans do otherwise, methods, seeds and the place of the data left aside.

    Example:
        >>> plan = Plan(title="", prepared="a", fingerprint="1", methods=(), groups=(), seeds=(1,))
        >>> differences(plan, dataclasses.replace(plan, seeds=(1, 2), trials=3))
        'trials was 0, is 3'
    """
    old, new = ({**dataclasses.asdict(plan), **dataclasses.asdict(plan.training)} for plan in (before, now))
    may_change = {"methods", "groups", "seeds", "prepared", "training", "fingerprint"}
    changed = [
        f"{name} was {old[name]}, is {new[name]}" for name in old if name not in may_change and old[name] != new[name]
    ]
    if before.fingerprint != now.fingerprint:
        changed.append("the prepared folder holds other data")
    return "; ".join(changed)


def _joined(before: tuple[Group, ...], now: tuple[Group, ...]) -> tuple[Group, ...]:
    groups = {group.title: group for group in before}
    for group in now:
        old = groups.get(group.title, group)
        if old.tasks != group.tasks:
            raise ValueError(f"{group.title!r} was about {', '.join(old.tasks)}; choose another --out")
        labels = tuple(dict.fromkeys((*old.labels, *group.labels)))
        groups[group.title] = dataclasses.replace(group, labels=labels, places=old.places | group.places)
    return tuple(groups.values())
