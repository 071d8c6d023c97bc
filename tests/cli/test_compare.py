"""`compare` and `ablate` as a user calls them; trainings are stood in for, but for one run that is real."""

import functools
import json

import pandas as pd
import pytest
from calling import call, fail, read_json, snapshot, succeed
from quick_trainer import InProcess
from rich.console import Console

from tf_gradcraft.cli import comparing
from tf_gradcraft.comparison import runner
from tf_gradcraft.comparison.method import parse_method
from tf_gradcraft.comparison.plan import Group, Plan, fingerprint_of, read_plan
from tf_gradcraft.comparison.progress import RunProgress
from tf_gradcraft.comparison.report import make_report
from tf_gradcraft.comparison.training import Training

SMALL = ("--tasks", "click,like", "--seeds", "1,2", "--jobs", "2")
REPORTS = ("runs.csv", "summary.csv", "tests.csv", "report.md", "report.html")


in_new_process = comparing.in_new_process


@pytest.fixture(autouse=True)
def check_in_this_process(monkeypatch):
    """Loading TensorFlow once more for each mistake would take minutes."""
    monkeypatch.setattr(comparing, "in_new_process", lambda function, *arguments: function(*arguments))


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(runner, "run_plan", functools.partial(runner.run_plan, command=(), processes=InProcess()))


@pytest.mark.usefixtures("quick")
def test_compare_runs_reports_and_is_extended(prepared, tmp_path):
    out = tmp_path / "out"
    called = succeed("compare", prepared, "--out", out, "--methods", "uw", "--trials", "2", *SMALL)
    assert [method.label for method in read_plan(out).methods] == ["single", "fixed", "sum", "uw"]
    for words in ("AUC on the test part", "group AUC on the test part", "AV-A", "RI-G %", "Time and memory"):
        assert words in called.out
    assert "2 settings a model were tried with seed 0" in " ".join(called.out.split())
    assert "10/20" in called.err
    assert all((out / name).is_file() for name in REPORTS)
    summary = pd.read_csv(out / "summary.csv")
    assert summary["method"].tolist() == ["single", "fixed", "sum", "uw"]
    assert summary["seeds"].tolist() == [2, 2, 2, 2]
    runs = pd.read_csv(out / "runs.csv")
    for _, row in runs[runs["method"] == "uw"].iterrows():
        metrics = read_json(out / "runs" / "uw" / f"seed-{row['seed']}" / "metrics_test.json")["metrics"]
        assert {name: row[name] for name in metrics} == pytest.approx(metrics)

    before = snapshot(out / "runs")
    succeed("compare", prepared, "--out", out, "--methods", "gradcraft", "--trials", "2", *SMALL)
    assert pd.read_csv(out / "summary.csv")["method"].tolist() == ["single", "fixed", "sum", "uw", "gradcraft"]
    after = snapshot(out / "runs")
    assert before.items() <= after.items()

    for name in REPORTS:
        (out / name).unlink()
    succeed("compare", prepared, "--out", out, "--report-only")
    assert all((out / name).is_file() for name in REPORTS)
    assert "trials was 2, is 3" in fail("compare", prepared, "--out", out, "--methods", "uw", "--trials", "3", *SMALL)


@pytest.mark.usefixtures("quick")
def test_a_failed_run_is_told_and_the_rest_is_reported(prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("QUICK_FAIL", "runs/uw/seed-2")
    called = call("compare", prepared, "--out", tmp_path / "out", "--methods", "uw", "--trials", "0", *SMALL)
    assert called.code == 1
    assert "failed runs/uw/seed-2: train ended with code 1: the disk melted" in called.err
    assert "1 of the planned methods and seeds are missing" in " ".join(called.out.split())
    assert "the disk melted" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.usefixtures("quick")
def test_ablate(prepared, tmp_path):
    out = tmp_path / "out"
    options = ["--taus", "0,1", "--epsilons", "0", "--task-counts", "2,3,9", "--seeds", "1", "--jobs", "2"]
    called = succeed("ablate", prepared, "--out", out, "--tasks", "click,like,follow", *options)
    assert [group.title for group in read_plan(out).groups] == ["Ablations", "tau", "epsilon", "2 tasks", "3 tasks"]
    assert "gradcraft:projection=local" in called.out
    assert "one seed says nothing" in called.out
    assert "No settings were searched" in " ".join(called.out.split())
    assert "over the number of tasks" in (out / "report.html").read_text()


@pytest.mark.parametrize("command", ["compare", "ablate"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tasks", "click,lik"], "task='lik' is not known; did you mean 'like'?"),
        (["--tasks", "click"], "click is a single task; to compare, name at least two with --tasks"),
        (["--seeds", "1,x"], "--seeds '1,x': write whole numbers with commas between"),
        (["--seeds", "1,-2"], "seeds must be different numbers of at least 0"),
        (["--model", "plee"], "model='plee' is not known; did you mean 'ple'?"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--expert-units", "8,x"], "--expert-units '8,x': write whole numbers above 0"),
        (["--balance-over", "params"], "balance_over='params' is not known; did you mean 'parameters'?"),
    ],
)
def test_mistakes_are_found_before_anything_is_run(prepared, tmp_path, monkeypatch, command, options, message):
    monkeypatch.setattr(runner, "run_plan", lambda *args, **kwargs: pytest.fail("it was run"))
    assert message in fail(command, prepared, "--out", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "--methods", "gradcarft"], "balancing='gradcarft' is not known; did you mean 'gradcraft'?"),
        (["compare", "--methods", "uw,gradcraft:taw=1"], "hyper-parameter='taw' is not known; did you mean 'tau'?"),
        (["compare", "--methods", "gradcraft:tau=7"], "tau=7 is out of range"),
        (["compare", "--methods", ","], "',' holds no name"),
        (["compare", "--seeds", "0,1"], "seed 0 is that of the search"),
        (["ablate", "--base", "uw"], "ablations are those of gradcraft, got 'uw'"),
        (["ablate", "--taus", "0,two"], "--taus '0,two': write numbers with commas between"),
        (["ablate", "--taus", "0,2"], "tau=2.0 is out of range"),
    ],
)
def test_mistakes_of_one_command(prepared, tmp_path, words, message):
    assert message in fail(words[0], prepared, "--out", tmp_path / "out", *words[1:])
    assert not (tmp_path / "out").exists()


def test_an_error_in_another_process_is_raised_here(capfd):
    with pytest.raises(ValueError, match="--seeds 'x': write whole numbers"):
        in_new_process(comparing.parse_seeds, "x")
    assert capfd.readouterr() == ("", "")


def test_there_must_be_a_prepared_folder_and_a_comparison(prepared, tmp_path):
    assert "is no prepared folder" in fail("compare", tmp_path / "nothing", "--out", tmp_path / "out")
    assert "holds no comparison" in fail("compare", prepared, "--out", tmp_path / "out", "--report-only")


def test_tasks_without_auc_are_refused(prepared, tmp_path):
    schema = read_json(prepared / "schema.json")
    schema["tasks"][1] |= {"kind": "regression", "loss": "mse"}
    other = tmp_path / "other"
    other.mkdir()
    (other / "vocabularies").symlink_to(prepared / "vocabularies")
    (other / "schema.json").write_text(json.dumps(schema))
    name = schema["tasks"][1]["name"]
    assert f"compared by AUC, which {name} has not" in fail("compare", other, "--out", tmp_path / "out")


def test_a_real_run(prepared, tmp_path):
    training = Training(model="shared_bottom", epochs=1, embedding_dim=4, expert_units="8,4", tower_units="4")
    tasks = ("click", "like")
    plan = Plan(
        title="One run",
        prepared=str(prepared),
        fingerprint=fingerprint_of(prepared),
        methods=(parse_method("fixed", tasks),),
        groups=(Group(title="All", labels=("fixed",), tasks=tasks),),
        seeds=(3,),
        training=training,
    )
    assert runner.run_plan(plan, tmp_path / "out", RunProgress(Console(quiet=True))) == {}
    run = tmp_path / "out" / "runs" / "fixed" / "seed-3"
    config = read_json(run / "config.json")
    assert (config["balancing"], config["seed"], config["tasks"]) == ("fixed", 3, ["click", "like"])
    assert (config["model_settings"]["bottom_units"], config["model_settings"]["tower_units"]) == ([8, 4], [4])
    metrics = read_json(run / "metrics_test.json")["metrics"]
    means = make_report(plan, tmp_path / "out").groups[0].means
    assert means.loc["fixed", "AV-A"] == pytest.approx(metrics["auc_mean"])
    assert means.loc["fixed", "AV-G"] == pytest.approx(metrics["gauc_mean"])
    assert 0 < means.loc["fixed", "cpu_seconds"] < 600
    # TensorFlow alone has hundreds of megabytes.
    assert means.loc["fixed", "peak_memory"] > 2e8
    assert not (run / "model.keras").exists()
    log = (tmp_path / "out" / "logs" / "runs_fixed_seed-3.log").read_text()
    assert "epoch 1/1" in log
    assert "tf_gradcraft.cli.child evaluate" in log
