"""The page and the picture of a record."""

import json
import sys
from pathlib import Path

import pytest
import stories

sys.path.append(str(Path(__file__).parents[1] / "reporting"))
from test_pages import Outline

from tf_gradcraft.callbacks import gradient_blocks
from tf_gradcraft.callbacks.gradient_page import write_page, write_picture

GATES = [
    {"name": "gate_0", "task": None, "shares": [0.2, 0.8], "entropy": 0.7},
    {"name": "gate_1", "task": "like", "shares": [0.1, 0.2, 0.7], "entropy": 0.6},
]
PART = {"norms": [1.0, None, 2.0], "weights": [1.0, None, 1.0], "conflict": None, "residual_conflict": 0.5}


def record():
    """A task that has a gradient in one epoch only, a `<` in a name, gates and parts."""
    cosines = [[1.0, -0.5, 0.1], [-0.5, 1.0, None], [0.1, None, 1.0]]
    parts = [{"name": "tables", **PART}, {"name": "rest<1>", **PART}]
    made = stories.story(
        stories.epoch([2.0, 1.0, 3.0], number=1),
        stories.epoch([2.0, None, 3.0], cosines=cosines, gates=GATES, number=2, parts=parts),
        tasks=("click", "like<b>", "follow"),
    )
    return {**made, "alerts": ["`like<b>` is small"]}


def test_the_page_is_well_formed_and_says_what_the_record_says(tmp_path):
    write_page(tmp_path / "gradients.html", json.loads(json.dumps(record())))
    text = (tmp_path / "gradients.html").read_text(encoding="utf-8")
    outline = Outline()
    outline.feed(text)
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)
    assert text.count("<figure>") == 5  # norms, weights, conflicts, cosines, gates
    assert "`like&lt;b&gt;` is small" in text
    assert "<b>" not in text
    assert "rest&lt;1&gt;" in text
    assert 'aria-label="Norms of the task gradients over steps. Last epoch: click 2, like&lt;b&gt; -, follow 3"' in text


def test_a_record_of_nothing_has_a_page_but_no_picture(tmp_path):
    [block] = gradient_blocks(stories.story())
    assert "No step was noted" in block
    with pytest.raises(ValueError, match="no step was noted"):
        write_picture(tmp_path / "gradients.png", stories.story())


def test_a_single_task_has_no_cosines():
    blocks = gradient_blocks(stories.story(stories.epoch([1.0]), tasks=["click"]))
    assert sum("<figure>" in block for block in blocks) == 2


def test_the_picture_is_a_png(tmp_path):
    write_picture(tmp_path / "made" / "gradients.png", record())
    assert (tmp_path / "made" / "gradients.png").read_bytes().startswith(b"\x89PNG")
