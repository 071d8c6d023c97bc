"""Grouping shared variables into parts."""

import pytest

from tf_gradcraft.gradients import assign_parts

PATHS = ["encoder/embedding", "bottom/dense_0/kernel", "bottom/dense_0/bias"]


def test_all_is_one_part_and_variable_is_one_a_variable():
    assert assign_parts("all", PATHS) == (("all",), (0, 0, 0))
    assert assign_parts("variable", PATHS) == (tuple(PATHS), (0, 1, 2))


def test_the_first_regex_that_is_found_counts():
    assert assign_parts({"bias": "bias$", "bottom": "bottom", "tables": "^encoder"}, PATHS) == (
        ("bias", "bottom", "tables"),
        (2, 1, 0),
    )


def test_what_no_regex_matches_is_one_more_part():
    assert assign_parts({"kernels": "kernel"}, PATHS) == (("kernels", "other"), (1, 0, 1))


def test_a_regex_that_matches_nothing_is_an_error_that_lists_the_variables():
    with pytest.raises(ValueError, match=r"parts\['gates'\]='gate' matches no shared variable; .*dense_0/bias"):
        assign_parts({"tables": "embedding", "gates": "gate"}, PATHS)


def test_a_regex_that_only_earlier_ones_cover_is_an_error():
    with pytest.raises(ValueError, match=r"parts\['kernels'\]"):
        assign_parts({"bottom": "bottom", "kernels": "kernel"}, PATHS)


def test_another_word_is_an_error():
    with pytest.raises(ValueError, match="'layers' is not known; use 'all', 'variable' or a dict"):
        assign_parts("layers", PATHS)
