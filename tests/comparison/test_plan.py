"""What is planned: who takes part, with which budget, and what may change in a folder that is begun."""

import dataclasses
import json

import numpy as np
import pytest

from tf_gradcraft import balancing
from tf_gradcraft.comparison.ablation import DEFAULTS, ablation_plan
from tf_gradcraft.comparison.method import Method, parse_method
from tf_gradcraft.comparison.plan import read_plan, settle, write_plan
from tf_gradcraft.comparison.runs import counting_run, parts_of, trial_runs
from tf_gradcraft.comparison.spaces import SPACES, TARGET, draw_trials, space_of
from tf_gradcraft.comparison.training import Training

TASKS = ("click", "like", "follow")


def labels(plan):
    return [method.label for method in plan.methods]


def test_single_tasks_tuned_weights_and_the_plain_sum_are_always_there(make_plan):
    assert labels(make_plan(methods=["uw"])) == ["single", "fixed", "sum", "uw"]
    assert labels(make_plan(methods=["sum", "uw", "single"])) == ["single", "fixed", "sum", "uw"]
    # Without a search nothing is tuned, and weights of 1 are the plain sum.
    assert labels(make_plan(methods=["uw", "fixed"], trials=0)) == ["single", "sum", "uw"]


def test_every_method_has_the_same_budget(make_plan):
    plan = make_plan(methods=[name for name in balancing.names() if name not in ("fixed", "sum")], trials=5)
    for part in parts_of(plan):
        runs = trial_runs(plan, part)
        assert len(runs) == len({run.name for run in runs}) == len({repr(run.trial) for run in runs}) == 5
        assert {run.seed for run in runs} == {0}
    for number in range(5):
        trials = [plan.trials_of(method)[number] for method in plan.methods]
        assert len({(trial.learning_rate, trial.dropout) for trial in trials}) == 1


@pytest.mark.parametrize("name", sorted(SPACES))
def test_what_a_search_looks_for_is_accepted_by_the_method(name):
    method = Method(label=name, balancing=name, tasks=TASKS)
    space = space_of(method)
    assert TARGET not in [value for values in space.values() for value in values]
    for setting, values in space.items():
        assert len(set(values)) == len(values)
        for value in values:
            balancing.get(name, **{setting: value}).for_tasks(TASKS)


def test_the_first_trial_is_the_defaults_and_the_others_are_near_the_given_training(make_plan):
    plan = make_plan(methods=["gradcraft:tau=0.3"], trials=40, training=Training(learning_rate=2e-3, dropout=0.05))
    first, *others = plan.trials_of(plan.method("gradcraft:tau=0.3"))
    assert (first.learning_rate, first.dropout, first.settings) == (2e-3, 0.05, {"tau": 0.3})
    rates, dropouts = np.array([(trial.learning_rate, trial.dropout) for trial in others]).T
    assert 1e-3 <= rates.min() < 1.3e-3 < 3e-3 < rates.max() <= 4e-3
    assert 0 <= dropouts.min() < 0.03 < 0.12 < dropouts.max() <= 0.15
    assert all(trial.settings["tau"] == 0.3 for trial in others)
    assert {trial.settings["epsilon"] for trial in others} == {1e-10, 1e-9, 1e-8}


def test_draws_are_the_same_whatever_else_is_planned(make_plan):
    few, many = make_plan(trials=3), make_plan(methods=["dwa", "gradcraft", "gradcraft:projection=exact"], trials=6)
    trials = few.trials_of(few.method("gradcraft"))
    assert trials == many.trials_of(many.method("gradcraft"))[:3]
    exact = many.trials_of(many.method("gradcraft:projection=exact"))[:3]
    assert [dict(trial.settings, projection="exact") for trial in trials] == [trial.settings for trial in exact]


def test_fixed_weights_are_drawn_over_two_decades_about_a_mean_of_one():
    trials = draw_trials(Method(label="fixed", balancing="fixed", tasks=TASKS), 200, 0, 1e-3, 0.2)
    weights = np.array([list(trial.settings["weights"].values()) for trial in trials[1:]])
    np.testing.assert_allclose(weights.mean(axis=1), 1, atol=1e-4)
    ratios = np.log10(weights / weights[:, :1])[:, 1:]
    # The difference of two uniform draws from [-1, 1]: a triangle on [-2, 2], of variance 2/3.
    assert np.abs(ratios).max() < 2.001
    assert abs(ratios.var() - 2 / 3) < 0.1


@pytest.mark.parametrize(
    ("name", "searches"), [("gradcraft", False), ("fixed", False), ("sum", True), ("pcgrad", True)]
)
def test_without_search_training_only_methods_with_few_settings_look_for_a_learning_rate(name, searches):
    trials = draw_trials(Method(label=name, balancing=name, tasks=TASKS), 4, 0, 1e-3, 0.2, search_training=False)
    assert ({trial.learning_rate for trial in trials} != {1e-3}) == searches
    assert len({repr(trial) for trial in trials}) == 4


def test_commands_have_all_settings(make_plan, tmp_path):
    training = Training(model="mmoe", epochs=7, expert_units="8,4", balance_over="representation")
    plan = make_plan(methods=["metabalance:target=like"], training=training, trials=0)
    part = next(part for part in parts_of(plan) if part.method.balancing == "metabalance")
    [trial] = plan.trials_of(part.method)
    words = counting_run(part, trial, 2).train_command(plan, tmp_path)
    assert words[:2] == ["train", plan.prepared]
    given = dict(zip(words[2::2], words[3::2], strict=True))
    expected = {"--balancing": "metabalance", "--set": 'target="like"', "--tasks": "click,like", "--seed": "2"}
    expected |= {"--model": "mmoe", "--epochs": "7", "--expert-units": "8,4", "--balance-over": "representation"}
    assert expected.items() <= given.items()
    assert "--tower-units" not in given
    [single, _] = [part for part in parts_of(plan) if part.method.label == "single"]
    words = counting_run(single, trial, 1).train_command(plan, tmp_path)
    assert words[words.index("--tasks") + 1] == "click"
    assert words[words.index("--out") + 1] == str(tmp_path / "runs" / "single" / "click" / "seed-1")


def test_a_plan_is_read_as_it_was_written(make_plan, tmp_path):
    plan = make_plan(methods=["gradcraft:projection=exact"], training=Training(dropout=0.5))
    write_plan(plan, tmp_path / "out")
    assert read_plan(tmp_path / "out") == plan
    assert settle(plan, tmp_path / "out") == plan


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trials": 3}, "trials was 2, is 3"),
        ({"training": Training(epochs=4, dropout=0.5)}, "epochs was 20, is 4; dropout was 0.2, is 0.5"),
        ({"tasks": ("click", "follow")}, "was trained otherwise"),
        ({"search_seed": 9}, "search_seed was 0, is 9"),
    ],
)
def test_another_plan_in_the_same_folder_is_refused(make_plan, tmp_path, changes, said):
    write_plan(make_plan(), tmp_path / "out")
    with pytest.raises(ValueError, match=said) as caught:
        settle(make_plan(**changes), tmp_path / "out")
    assert "choose another --out" in str(caught.value)


def test_other_data_are_refused_also_where_the_place_is_the_same(make_plan, prepared, tmp_path):
    write_plan(make_plan(), tmp_path / "out")
    (prepared / "manifest.json").write_text(json.dumps({"outputs": {"new": 1}}))
    with pytest.raises(ValueError, match="the prepared folder holds other data"):
        settle(make_plan(), tmp_path / "out")


def test_a_folder_of_something_else_is_refused(make_plan, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds no comparison"):
        settle(make_plan(), tmp_path / "out")


def test_a_damaged_plan_is_named(tmp_path):
    (tmp_path / "plan.json").write_text('{"format": 1}')
    with pytest.raises(ValueError, match=r"plan.json can't be read"):
        read_plan(tmp_path)
    (tmp_path / "plan.json").write_text('{"format": 2}')
    with pytest.raises(ValueError, match="format 2, this version reads 1"):
        read_plan(tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no comparison"):
        read_plan(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seeds": ()}, "seeds must be different numbers"),
        ({"seeds": (1, 1)}, "seeds must be different numbers"),
        ({"seeds": (0, 1)}, "seed 0 is that of the search"),
        ({"trials": -1}, "trials must be at least 0"),
        ({"methods": ["uw", "uw"]}, "stands twice"),
        ({"methods": ["gradcraft:tau=0.1", "gradcraft-tau=0.1"]}, "would get one folder"),
        ({"methods": ["gradcraft:tau"]}, "'tau' is no setting; write name:setting=value"),
        ({"methods": ["gradcraft:tau=0:tau=1"]}, "tau is given twice"),
    ],
)
def test_bad_plans(make_plan, arguments, said):
    with pytest.raises(ValueError, match=said):
        make_plan(**arguments)


def test_single_tasks_have_no_settings():
    with pytest.raises(ValueError, match="single-task models have no settings"):
        parse_method("single:tau=1", TASKS)


def test_the_search_seed_may_count_where_nothing_is_searched(make_plan):
    assert make_plan(seeds=(0, 1), trials=0).seeds == (0, 1)


def test_ablations_vary_one_thing_at_a_time(prepared):
    tasks = ("a", "b", "c", "d")
    plan = ablation_plan(prepared, tasks, [1, 2], taus=(0, 0.5, 1), epsilons=(0, 1e-8))
    groups = {group.title: group for group in plan.groups}
    assert list(groups) == ["Ablations", "tau", "epsilon", "2 tasks", "4 tasks"]
    assert groups["Ablations"].labels == (
        *("single", "sum", "gradcraft", "gradcraft:epsilon=0", "gradcraft:tau=1", "gradcraft:tau=0"),
        *("gradcraft:projection=local", "gradcraft:projection=exact"),
    )
    # tau = 0.5 and epsilon = 1e-8 are the defaults, so they are no runs of their own.
    assert groups["tau"].places == {"gradcraft:tau=0": 0, "gradcraft": 0.5, "gradcraft:tau=1": 1}
    assert groups["epsilon"].places == {"gradcraft:epsilon=0": 0, "gradcraft": 1e-8}
    assert groups["2 tasks"].labels == ("single", "sum@2", "gradcraft@2")
    assert groups["2 tasks"].tasks == plan.method("gradcraft@2").tasks == ("a", "b")
    assert groups["4 tasks"].labels == ("single", "sum", "gradcraft")
    assert len(plan.methods) == len(
        {repr((method.settings, method.tasks, method.balancing)) for method in plan.methods}
    )
    assert plan.trials == 0


def test_defaults_are_those_of_the_method():
    method = dataclasses.asdict(balancing.GradCraft())
    assert {name: method[name] for name in DEFAULTS} == DEFAULTS


def test_ablations_of_a_base_keep_its_settings(prepared):
    plan = ablation_plan(prepared, ("a", "b"), [1], base="gradcraft:tau=0.3:projection=exact", taus=(), epsilons=())
    settings = {method.label: method.settings for method in plan.methods}
    assert settings["gradcraft:tau=0.3:projection=local"] == {"tau": 0.3, "projection": "local"}
    assert settings["gradcraft:tau=1:projection=exact"] == {"tau": 1.0, "projection": "exact"}
    assert [group.title for group in plan.groups] == ["Ablations", "2 tasks"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"base": "pcgrad"}, "ablations are those of gradcraft"), ({"task_counts": (1, 2)}, "must be at least 2, got 1")],
)
def test_bad_ablations(prepared, arguments, said):
    with pytest.raises(ValueError, match=said):
        ablation_plan(prepared, ("a", "b"), [1], **arguments)


def test_an_ablation_is_read_as_it_was_written(prepared, tmp_path):
    plan = ablation_plan(prepared, ("a", "b"), [1])
    write_plan(plan, tmp_path / "out")
    more = settle(dataclasses.replace(plan, seeds=(2,)), tmp_path / "out")
    assert (more.seeds, more.groups, more.methods) == ((1, 2), plan.groups, plan.methods)
