"""Numbered versions: complete or absent, never replaced."""

import os

import pytest

from tf_gradcraft.serving.versions import write_version


def write(text="model"):
    def make(path):
        path.mkdir()
        (path / "saved_model.pb").write_text(text)

    return make


def content(path):
    return (path / "saved_model.pb").read_text()


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_versions_count_up_from_one(tmp_path):
    directory = tmp_path / "models" / "ranker"
    assert [write_version(directory, None, write()).name for _ in range(3)] == ["1", "2", "3"]
    assert write_version(directory, 10, write()).name == "10"
    assert write_version(directory, 4, write()).name == "4"
    assert write_version(directory, None, write()).name == "11"
    assert sorted(os.listdir(directory)) == ["1", "10", "11", "2", "3", "4"]
    assert os.listdir(tmp_path) == ["models"]


def test_other_entries_do_not_count(tmp_path):
    for name in ("notes", "5x", ".7", "-3"):
        (tmp_path / "ranker" / name).mkdir(parents=True)
    assert write_version(tmp_path / "ranker", None, write()).name == "1"


@pytest.mark.parametrize("existing", ["3", "003"])
def test_an_existing_version_is_refused_and_left(tmp_path, existing):
    (tmp_path / existing).mkdir()
    (tmp_path / existing / "saved_model.pb").write_text("old")
    with pytest.raises(FileExistsError, match=r"version 3 exists.*Give another"):
        write_version(tmp_path, 3, write("new"))
    assert tree(tmp_path) == [existing, f"{existing}/saved_model.pb"]
    assert content(tmp_path / existing) == "old"


@pytest.mark.parametrize("version", [0, -1, 1.0, "1", True])
def test_a_version_is_an_integer_from_one(tmp_path, version):
    with pytest.raises(ValueError, match="is no version: give an integer of at least 1"):
        write_version(tmp_path / "ranker", version, write())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("exists", [True, False])
def test_an_interruption_leaves_nothing(tmp_path, error, exists):
    directory = tmp_path / "models" / "ranker"
    if exists:
        write_version(directory, None, write())
    before = tree(tmp_path)

    def broken(path):
        write()(path)
        raise error

    with pytest.raises(error):
        write_version(directory, None, broken)
    assert tree(tmp_path) == before


def test_a_watching_server_sees_no_half_version(tmp_path):
    directory = tmp_path / "ranker"
    write_version(directory, None, write())

    def look(path):
        write()(path)
        assert os.listdir(directory) == ["1"]
        assert not path.name.isdigit()
        assert os.stat(path).st_dev == os.stat(directory).st_dev

    assert write_version(directory, None, look).name == "2"


def test_of_two_exports_at_once_both_get_a_version(tmp_path):
    directory = tmp_path / "ranker"

    def slow(path):
        write("second")(path)
        write_version(directory, None, write("first"))

    assert write_version(directory, None, slow).name == "2"
    assert [content(directory / version) for version in ("1", "2")] == ["first", "second"]


def test_a_version_that_appears_meanwhile_is_not_replaced(tmp_path):
    def slow(path):
        write("second")(path)
        write_version(tmp_path / "ranker", 1, write("first"))

    with pytest.raises(FileExistsError, match="version 1 exists"):
        write_version(tmp_path / "ranker", 1, slow)
    assert tree(tmp_path) == ["ranker", "ranker/1", "ranker/1/saved_model.pb"]
    assert content(tmp_path / "ranker" / "1") == "first"


def test_number_taken_between_look_and_rename(tmp_path, monkeypatch):
    """Another process renames its version in right before ours."""
    directory, rename = tmp_path / "ranker", os.rename

    def late(source, target):
        if not (directory / "1").exists():
            (directory / "1").mkdir()
            (directory / "1" / "saved_model.pb").write_text("other")
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    assert write_version(directory, None, write("ours")).name == "2"
    assert content(directory / "1") == "other"


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "ranker").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file; give a directory"):
        write_version(tmp_path / "ranker", None, write())


def test_a_linked_directory_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_version(tmp_path / "link", None, write())
    assert tree(tmp_path / "real") == ["1", "1/saved_model.pb"]
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]
