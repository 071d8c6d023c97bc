"""The demo, with a smaller model and less training."""

import pytest
from calling import call, fail, read_json, snapshot, succeed

from tf_gradcraft.cli import comparison
from tf_gradcraft.cli.demo_folder import new_demo_folder

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder of a demo, and what it said."""
    from tf_gradcraft.cli import demo_steps

    folder = tmp_path_factory.mktemp("demo") / "demo"
    small = {"model": "shared_bottom", "epochs": 1, "model_settings": {"bottom_units": [8], "embedding_dim": 2}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_steps, "SETTINGS", {**demo_steps.SETTINGS, **small})
        called = succeed("demo", "--out", folder, "--rows", "10000", "--seed", "1")
    return folder, called.out


def test_demo_writes_what_it_says(demo):
    folder, _ = demo
    expected = {
        "raw": {"log.csv", "users.csv", "videos.csv", "truth.parquet", "settings.json"},
        "runs": {"sum", "gradcraft"},
        "export/ranker": {"1"},
    }
    for name, entries in expected.items():
        assert {path.name for path in (folder / name).iterdir()} == entries
    assert read_json(folder / "demo.json")["finished"] is True
    assert (folder / "export" / "ranker" / "1" / "saved_model.pb").is_file()


def test_demo_compares_equal_trainings(demo):
    folder, out = demo
    configs = {name: read_json(folder / "runs" / name / "config.json") for name in ("sum", "gradcraft")}
    assert {name: config.pop("balancing") for name, config in configs.items()} == {n: n for n in configs}
    assert configs["sum"] == configs["gradcraft"]
    found = read_json(folder / "comparison.json")
    assert found["rows"] == ["click", "long_view", "like", "follow", "mean"]
    for title, name in (("plain sum", "sum"), ("GradCraft", "gradcraft")):
        metrics = read_json(folder / "runs" / name / "metrics_test.json")["metrics"]
        assert found["values"]["auc"][title] == [metrics[f"{task}_auc"] for task in found["rows"][:-1]] + [
            metrics["auc_mean"]
        ]
        assert f"{metrics['gauc_mean']:.4f}" in out
    before, after = (found["values"]["auc"][title][-1] for title in ("plain sum", "GradCraft"))
    assert found["improvement"]["auc"][-1] == pytest.approx(100 * (after - before) / before, abs=1e-3)
    assert all(0.75 < value < 1 for value in found["best_possible"].values())


def test_demo_shows_predictions_of_the_export(demo):
    _, out = demo
    assert "999999" in out
    assert "new category" in out


def test_demo_draws_a_chart(demo):
    folder, _ = demo
    image = (folder / "comparison.png").read_bytes()
    assert image.startswith(PNG)
    assert int.from_bytes(image[16:20], "big") >= 1200, "wide enough to read"


def test_chart_has_both_methods_every_task_and_a_zero_line(tmp_path, monkeypatch):
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    drawn = []
    monkeypatch.setattr(pyplot, "close", drawn.append)
    metrics = {
        "plain sum": {"a_auc": 0.6, "b_auc": 0.7, "auc_mean": 0.65, "a_gauc": 0.6, "b_gauc": 0.6, "gauc_mean": 0.6},
        "new": {"a_auc": 0.66, "b_auc": 0.63, "auc_mean": 0.645, "a_gauc": 0.6, "b_gauc": 0.6, "gauc_mean": 0.6},
    }
    comparison.draw_comparison(
        comparison.compare_metrics(metrics, ["a", "b"], {"a": 0.8, "b": 0.9}), tmp_path / "c.png"
    )
    first, second, third = drawn[0].axes
    for axis in (first, second, third):
        assert [label.get_text() for label in axis.get_xticklabels()] == ["a", "b", "mean"]
        assert axis.get_ylabel()
    for axis in (first, second):
        assert {"plain sum", "new"} <= {text.get_text() for text in axis.get_legend().get_texts()}
    heights = [bar.get_height() for bar in third.patches]
    assert heights == pytest.approx([10.0, -10.0, -0.769, 0, 0, 0])
    assert any(set(line.get_ydata()) == {0} for line in third.lines)
    assert third.get_ylim()[0] < -10 < 10 < third.get_ylim()[1]


def test_demo_folder_is_replaced_only_if_a_demo_wrote_it(tmp_path):
    with new_demo_folder(tmp_path / "demo") as folder:
        (folder / "old.txt").write_text("old")
    with new_demo_folder(tmp_path / "demo") as folder:
        assert not (folder / "old.txt").exists()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    assert "holds files that no demo wrote" in fail("demo", "--out", tmp_path / "thesis")
    assert snapshot(tmp_path / "thesis") == {"chapter.tex": b"years of work"}


def test_interrupted_demo_can_be_run_again(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_demo_folder(tmp_path / "demo"):
        raise KeyboardInterrupt
    assert read_json(tmp_path / "demo" / "demo.json")["finished"] is False
    with new_demo_folder(tmp_path / "demo") as folder:
        pass
    assert read_json(folder / "demo.json")["finished"] is True


def test_too_few_rows_are_refused(tmp_path):
    assert call("demo", "--out", tmp_path / "demo", "--rows", "5").code == 2
    assert not list(tmp_path.iterdir())
