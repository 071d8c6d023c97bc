"""`tf-gradcraft report`: what the page says, that it is small and needs nothing, and what goes wrong."""

import json
import re
import shutil

import numpy as np
import pytest
from calling import fail, read_json, snapshot, succeed

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import PreparedData

SECTIONS = ["Summary", "Data card", "Learning curves", "Metrics", "Calibration", "Audit by group", "Serving latency"]
SECTIONS += ["Reproduce"]
QUICK = ["--resamples", "20", "--no-latency"]


def text_of(page):
    """The words of a page, without tags and charts."""
    without_charts = re.sub(r"<svg.*?</svg>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", without_charts))


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "new" / "page.html"
    before = snapshot(run)
    called = succeed("report", run, "--out", path, "--resamples", "20", "--by", "category", "--by", "duration_s")
    assert str(path) in called.out
    assert "drawing 20 resamples" in called.err
    assert snapshot(run) == before
    return path.read_text()


def test_it_has_all_sections_and_stays_small(page):
    assert re.findall(r"<h2[^>]*>([^<]+)", page) == SECTIONS
    assert len(page.encode()) < 2_000_000
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)
    assert "<script" not in page


def test_it_says_what_was_trained_and_on_what(page, run, prepared):
    text, data = text_of(page), PreparedData(prepared)
    assert "shared_bottom, balanced by gradcraft, on synthetic" in text
    assert "gradcraft (tau=0.25)" in text
    for rows in data.rows.values():
        assert f"{rows:,}" in text
    for split in data.rows:
        assert f"{100 * data.manifest['label_rates'][split]['click']:.1f} %" in text
    assert "Leak warnings" in text
    assert f"tf-gradcraft train {prepared} --model shared_bottom --balancing gradcraft" in page
    assert "--set tau=0.25 --tasks click,like --out" in page
    assert f"epoch {read_json(run / 'metrics.json')['epoch']} kept" in text


def test_metrics_are_those_of_the_run_with_intervals(page, run):
    text, metrics = text_of(page), read_json(run / "metrics.json")["metrics"]
    for name in ("click_auc", "like_gauc", "auc_mean"):
        found = re.search(rf"\b{metrics[name]:.4f} (\d\.\d+) to (\d\.\d+)", text)
        assert float(found[1]) <= metrics[name] <= float(found[2])
    assert "metrics.json says" not in text


def test_charts_tell_those_who_cannot_see_them(page):
    labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', page)
    assert len(labels) == len(set(labels)) == page.count("<svg")
    assert any(re.match(r"click: loss on the training part from \d.* Kept: epoch \d", label) for label in labels)
    assert sum(" by category: AUC from " in label for label in labels) == 2


def test_groups_of_the_audit_cover_the_part(page, prepared):
    rows = dict(re.findall(r'<th scope="row">click: ([^<]+)</th>\s*<td>([\d,]+)</td>', page))
    counts = [int(count.replace(",", "")) for count in rows.values()]
    # The feature of ids, and the number cut into quarters.
    assert sum(counts) == 2 * PreparedData(prepared).rows["valid"]
    assert sum(" to " in name for name in rows) == 4


def test_requests_are_timed(page):
    lines = re.findall(r'<th scope="row">(\w+), ([\d,]+) (?:row|candidate)s?</th>((?:<td>[\d.]+</td>)+)', page)
    assert [(signature, size) for signature, size, _ in lines] == [
        ("serving_default", "1"),
        ("serving_default", "100"),
        ("serving_default", "1,000"),
        ("rank", "100"),
        ("rank", "1,000"),
    ]
    for _, _, cells in lines:
        p50, p95, fastest, _ = map(float, re.findall(r"[\d.]+", cells))
        assert 0 < fastest <= p50 <= p95


def test_the_test_part_is_looked_at_only_when_asked_for(run, prepared):
    copied_page = run.parent / "test.html"
    succeed("report", run, "--split", "test", "--out", copied_page, *QUICK)
    text = text_of(copied_page.read_text())
    assert "the test part: look at it once" in text
    assert f"All {PreparedData(prepared).rows['test']:,} rows of the test part" in text


def test_it_writes_into_the_run_and_warns_where_something_is_wrong(run, tmp_path):
    """Few positives, a model that is not the recorded one, overfitting, a label rate that shifts."""
    copied = shutil.copytree(run, tmp_path / "run")
    kept = read_json(run / "metrics.json")
    kept["metrics"]["click_auc"] += 0.1
    (copied / "metrics.json").write_text(json.dumps(kept))
    history = read_json(run / "history.json")
    history["like_loss"], history["val_like_loss"] = [0.3, 0.2, 0.1], [0.3, 0.4, None]
    history["click_loss"], history["val_click_loss"] = [0.6, 0.5, 0.4], [0.5, 0.6, 0.7]
    (copied / "history.json").write_text(json.dumps(history))
    succeed("report", copied, *QUICK)
    text = text_of((copied / "report.html").read_text())
    assert "metrics.json says auc" in text
    assert "click overfits: its loss on the valid part rose by 40 % after epoch 1" in text
    assert "like overfits" not in text
    assert "like has only" in text
    assert "Not measured (--no-latency)" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split", "vaild"], "split='vaild' is not known; did you mean 'valid'?"),
        (["--by", "categry"], "feature='categry' is not known; did you mean 'category'?"),
        (["--resamples", "-1"], "resamples must be at least 0, got -1"),
        (["--bins", "1"], "bins must be at least 2, got 1"),
        (["--prepared", "gone"], "if it was moved, say where with --prepared"),
    ],
)
def test_bad_options(run, options, message):
    before = snapshot(run)
    assert message in fail("report", run, *options)
    assert snapshot(run) == before


def test_what_is_no_run_or_is_damaged(run, tmp_path):
    assert "is no run folder: it holds no config.json" in fail("report", tmp_path)
    assert "is a folder; name the file to write" in fail("report", run, "--out", tmp_path)
    copied = shutil.copytree(run, tmp_path / "run")
    (copied / "history.json").unlink()
    assert "history.json is missing; train again" in fail("report", copied)
    for broken, message in (('{"loss": ', "is damaged"), ("{}", "holds no values"), ("[]", "holds no JSON object")):
        (copied / "history.json").write_text(broken)
        assert message in fail("report", copied)
    shutil.copy(run / "history.json", copied)
    (copied / "metrics.json").write_text("{}")
    assert "names no epoch or no metrics" in fail("report", copied)
    assert not list(copied.glob("*.html"))


def test_gradients_have_a_section_where_they_were_recorded(run, tmp_path):
    pytest.importorskip("tf_gradcraft.callbacks.gradient_page", reason="this version records no gradients")
    copied = shutil.copytree(run, tmp_path / "run")
    (copied / "gradients.json").write_text(json.dumps({"tasks": [], "epochs": [], "alerts": []}))
    succeed("report", copied, *QUICK)
    page = (copied / "report.html").read_text()
    assert re.findall(r"<h2[^>]*>([^<]+)", page) == [*SECTIONS[:6], "Gradients", *SECTIONS[6:]]
    assert "No step was noted" in page


def test_the_model_of_the_page_is_the_saved_one(run, prepared, page):
    columns = PreparedData(prepared).columns("valid")
    predicted = gc.load_model(run / "model.keras").predict(columns, batch_size=4096, verbose=0)
    ratio = float(predicted["click"].sum() / columns["click"].sum())
    assert f"{ratio:.4f}" in text_of(page)
    assert np.isfinite(ratio)
