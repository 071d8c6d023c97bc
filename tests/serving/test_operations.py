"""Configuration files, read back with the protos that a server reads them with."""

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow_serving.config import model_server_config_pb2

from tf_gradcraft.serving.operations import MONITORING, batching_config, models_config


def test_models_config():
    text = models_config({"ranker": "/models/ranker", "b-2": '/odd "path"'}, versions={"ranker": [3, 4]})
    found = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    assert [(entry.name, entry.base_path, entry.model_platform) for entry in found] == [
        ("ranker", "/models/ranker", "tensorflow"),
        ("b-2", '/odd "path"', "tensorflow"),
    ]
    assert list(found[0].model_version_policy.specific.versions) == [3, 4]
    assert not found[1].HasField("model_version_policy")


def described_message(name, fields):
    """A message class with fields of the numbers and types that the server's own proto has."""
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", package="test", syntax="proto3")
    file.message_type.add(name="Int64Value").field.add(name="value", number=1, type=3, label=1)
    message = file.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields.items(), 1):
        if kind == "bool":
            message.field.add(name=field, number=number, type=8, label=1)
        else:
            message.field.add(name=field, number=number, type=11, label=1, type_name=".test.Int64Value")
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"test.{name}"))


def test_batching_config():
    """The server's `BatchingParameters` is in no Python package; its documented fields are described here."""
    wrapped = ["max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"]
    fields = dict.fromkeys(wrapped, "Int64Value") | {"pad_variable_length_inputs": "bool"}
    message = described_message("BatchingParameters", fields)()
    text_format.Parse(batching_config(64, 2000, threads=4, max_enqueued_batches=10), message)
    assert [getattr(message, name).value for name in wrapped] == [64, 2000, 10, 4]
    assert message.pad_variable_length_inputs


def test_monitoring_config():
    assert MONITORING == 'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }\n'


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models_config({"my model": "/m"}), "'my model' is no name for a model"),
        (lambda: models_config({"a": "/a"}, {"b": [1]}), "versions are given for b, but no such model is"),
        (lambda: models_config({"a": "/a"}, {"a": [0]}), "versions of 'a' must be integers of at least 1"),
        (lambda: batching_config(max_batch_size=0), "max_batch_size must be at least 1, got 0"),
        (lambda: batching_config(timeout_micros=-1), "batch_timeout_micros must be at least 0, got -1"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
