"""What records are an alert, in which words, and which are none."""

import pytest
import stories

from tf_gradcraft.callbacks.alerts import alerts_of

EVEN = [2.0, 1.0, 1.5]


def test_a_usual_record_has_no_alert():
    assert alerts_of(stories.story(stories.epoch(EVEN))) == []
    assert alerts_of(stories.story()) == []


def test_a_small_task_that_nothing_balances():
    small = stories.epoch([900.0, 1.0, 500.0])
    expected = "`like` is 900 times smaller than `click` and never balanced: check its labels"
    assert alerts_of(stories.story(small)) == [expected]


def test_a_small_task_that_the_method_makes_up_for_is_none():
    made_up = stories.epoch([900.0, 1.0, 500.0], weights=[1.0, 800.0, 1.5])
    assert alerts_of(stories.story(made_up, balancing="GradCraft")) == []
    left = stories.epoch([900.0, 1.0, 500.0], weights=[1.0, 2.0, 1.5])
    [text] = alerts_of(stories.story(left, balancing="UncertaintyWeighting"))
    assert text.startswith("`like` is 900 times smaller than `click` and UncertaintyWeighting does not make up for it")


def test_one_task_far_larger_than_all_others_is_one_alert():
    [text] = alerts_of(stories.story(stories.epoch([5000.0, 1.0, 2.0])))
    assert text.startswith("`click` is 2,500 times larger than any other task and never balanced")


def test_epochs_count_by_their_noted_steps():
    # A mean of 10 over 90 steps and of 1000 over 10: 109.
    epochs = [stories.epoch([10.0, 1.0, 10.0], noted=90), stories.epoch([1000.0, 1.0, 1000.0], noted=10)]
    assert "`like` is 110 times smaller than `click`" in alerts_of(stories.story(*epochs))[0]


@pytest.mark.parametrize(("losses", "alerted"), [([0.5, 0.0, 0.5], True), ([0.5, 0.001, 0.5], False)])
def test_a_task_without_gradient_is_an_alert_if_its_loss_was_nothing_too(losses, alerted):
    texts = alerts_of(stories.story(stories.epoch([2.0, None, 1.0], losses=losses)))
    assert [text.startswith("`like` had no gradient in any of the 20 noted steps") for text in texts] == [
        True
    ] * alerted


def test_a_pair_that_always_conflicts():
    conflicts = [[0.0, 0.97, 0.4], [0.97, 0.0, 0.9], [0.4, 0.9, 0.0]]
    cosines = [[1.0, -0.31, 0.1], [-0.31, 1.0, -0.2], [0.1, -0.2, 1.0]]
    of_epoch = stories.epoch(EVEN, conflicts=conflicts, cosines=cosines)
    [text] = alerts_of(stories.story(of_epoch))
    assert text.startswith("`click` and `like` point against each other in 97% of the noted steps (mean cosine -0.31)")
    few = stories.epoch(EVEN, conflicts=conflicts, cosines=cosines, noted=4)
    assert alerts_of(stories.story(few)) == []


def test_weights_that_collapsed_on_one_task():
    collapsed = stories.epoch(EVEN, weights=[0.01, 0.98, 0.01])
    [text] = alerts_of(stories.story(collapsed, balancing="MGDA"))
    assert text.startswith("MGDA gives `like` 98% of all weights")
    # A large weight that makes a small task as large as the others is none.
    even = stories.epoch([100.0, 2.0, 100.0], weights=[1.0, 50.0, 1.0])
    assert alerts_of(stories.story(even, balancing="GradCraft")) == []


def test_a_gate_with_one_expert_at_the_end():
    spread = {"name": "mixture/gate_0", "task": "click", "shares": [0.5, 0.5], "entropy": 1.0}
    single = {"name": "mixture/gate_0", "task": "click", "shares": [0.02, 0.98], "entropy": 0.1}
    assert alerts_of(stories.story(stories.epoch(EVEN, gates=[single]), stories.epoch(EVEN, gates=[spread]))) == []
    [text] = alerts_of(stories.story(stories.epoch(EVEN, gates=[spread]), stories.epoch(EVEN, gates=[single])))
    assert text.startswith("gate mixture/gate_0 of `click` uses one of its 2 experts only: number 1 has 98%")
    only = {"name": "gate", "task": None, "shares": [1.0], "entropy": 0.0}
    assert alerts_of(stories.story(stories.epoch(EVEN, gates=[only]))) == []
