"""A real `tensorflow_model_server`, where the environment variable TENSORFLOW_MODEL_SERVER names one.

Everything is on the loopback interface; loops are bounded, and the server is ended by each test.
"""

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request

import numpy as np
import pytest
from served import TOLERANCE
from test_examples import example

import tf_gradcraft as gc
from tf_gradcraft.serving import GrpcClient, Rank, RankRequest, RestClient, batching_config, models_config

BINARY = os.environ.get("TENSORFLOW_MODEL_SERVER")
SECONDS_TO_START = 60

pytestmark = [
    pytest.mark.serving,
    pytest.mark.skipif(BINARY is None, reason="TENSORFLOW_MODEL_SERVER names no tensorflow_model_server binary"),
]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """A running server and where it listens."""

    def __init__(self, folder, *flags):
        self.port, self.rest_port, self.log = free_port(), free_port(), folder / "server.log"
        self.clients = []
        command = [BINARY, f"--port={self.port}", f"--rest_api_port={self.rest_port}", *flags]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def rest(self, model="ranker", **settings):
        self.clients.append(RestClient(f"http://127.0.0.1:{self.rest_port}", model, **settings))
        return self.clients[-1]

    def grpc(self, model="ranker", **settings):
        self.clients.append(GrpcClient(f"127.0.0.1:{self.port}", model, **settings))
        return self.clients[-1]

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.rest_port}{path}", data, timeout=20) as response:
            return json.loads(response.read())

    def wait(self, ready):
        for _ in range(SECONDS_TO_START * 10):
            assert self.process.poll() is None, self.log.read_text()
            if ready():
                return
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())


@contextlib.contextmanager
def serving(folder, *flags, models=("ranker",)):
    server = Server(folder, *flags)
    try:
        for model in models:
            server.wait(server.rest(model).ready)
        yield server
    finally:
        for client in server.clients:
            client.close()
        server.process.terminate()
        server.process.wait(timeout=30)


def alone(base_path, name="ranker"):
    return [f"--model_name={name}", f"--model_base_path={base_path}"]


@pytest.fixture(scope="module")
def base_path(exported, tmp_path_factory):
    """The directory of versions that the server watches: version 1."""
    folder = tmp_path_factory.mktemp("served") / "ranker"
    shutil.copytree(exported, folder / "1")
    return folder


@pytest.fixture(scope="module")
def server(base_path, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("log"), *alone(base_path)) as running:
        yield running


def request_of(raw, start, candidates):
    rows = slice(start, start + candidates)
    return RankRequest(
        request={"user_id": int(raw["user_id"][start]), "empty": "", "age": 50.0},
        candidates={"tag": raw["tag"][rows].tolist(), "duration": [float(value) for value in raw["duration"][rows]]},
    )


def direct_scores(loaded, request):
    inputs = {name: [value] for name, value in request.request.items()}
    return loaded.run("rank", inputs | {name: [list(values)] for name, values in request.candidates.items()})


def assert_ranked(response, direct):
    np.testing.assert_allclose(response.scores, direct["score"][0], rtol=1e-5, atol=TOLERANCE)
    np.testing.assert_array_equal(np.sort(response.scores[response.order])[::-1], response.scores[response.order])
    assert len(response.order) == direct["top_k"].shape[1]


def test_status_and_metadata(server):
    [status] = server.call("/v1/models/ranker")["model_version_status"]
    assert (status["version"], status["state"]) == ("1", "AVAILABLE")
    signatures = server.call("/v1/models/ranker/metadata")["metadata"]["signature_def"]["signature_def"]
    assert {"serving_default", "serving_examples", "rank"} <= set(signatures)
    assert signatures["serving_default"]["inputs"]["user_id"]["dtype"] == "DT_INT64"
    assert server.rest().ready()
    assert server.grpc().ready()


def test_predict_by_rows_and_by_columns(server, loaded, raw):
    expected = loaded.run("serving_default", {name: values[:50] for name, values in raw.items()})
    columns = {name: values[:50].tolist() for name, values in raw.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    by_rows = server.call("/v1/models/ranker:predict", {"instances": rows})["predictions"]
    by_columns = server.call("/v1/models/ranker:predict", {"inputs": columns})["outputs"]
    for task in ("click", "like"):
        np.testing.assert_allclose([row[task] for row in by_rows], expected[task], rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(by_columns[task], expected[task], rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(server.grpc().predict(columns)[task], expected[task], rtol=0, atol=TOLERANCE)


def test_predict_from_examples(server, loaded):
    protos = [example(user_id=900, tag="news"), b"", example(tag=b"\xff", age=20.0)]
    expected = loaded.run("serving_examples", {"examples": protos})
    encoded = [{"b64": base64.b64encode(proto).decode()} for proto in protos]
    body = {"signature_name": "serving_examples", "inputs": {"examples": encoded}}
    found = server.call("/v1/models/ranker:predict", body)["outputs"]
    np.testing.assert_allclose(found["click"], expected["click"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_rank(server, loaded, raw, protocol):
    request = request_of(raw, 0, 500)
    assert_ranked(getattr(server, protocol)().rank(request), direct_scores(loaded, request))


def test_warm_up_requests_are_read(server):
    server.wait(lambda: "warmup" in server.log.read_text().lower())
    assert "Number of warmup records read: 3" in server.log.read_text()


def test_batching_of_requests_with_different_numbers_of_candidates(base_path, loaded, raw, tmp_path):
    (tmp_path / "batching.config").write_text(batching_config(max_batch_size=16, timeout_micros=20_000))
    flags = ["--enable_batching", f"--batching_parameters_file={tmp_path / 'batching.config'}"]
    requests = [request_of(raw, start, 3 + start % 7) for start in range(32)]
    answers = [None] * len(requests)
    with serving(tmp_path, *alone(base_path), *flags) as running:

        def ask(numbers):
            client = running.grpc()
            for number in numbers:
                answers[number] = client.rank(requests[number])

        threads = [threading.Thread(target=ask, args=(range(part, len(requests), 8),)) for part in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    for request, answer in zip(requests, answers, strict=True):
        assert_ranked(answer, direct_scores(loaded, request))


def test_hot_swap_under_load_fails_no_request(model, raw, tmp_path):
    directory = tmp_path / "ranker"
    settings = [Rank(weights={"click": 0.5, "like": 3.0}, top_k=7)]
    gc.serving.export(model, directory, signatures=settings)
    request, failures, answered, swapped = request_of(raw, 0, 50), [], [], threading.Event()
    flags = [*alone(directory), "--file_system_poll_wait_seconds=1"]
    with serving(tmp_path, *flags) as running:

        def ask():
            client = running.grpc()
            for _ in range(20_000):
                if swapped.is_set():
                    break
                try:
                    answered.append(float(client.rank(request).scores[0]))
                except Exception as error:
                    failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        gc.serving.export(model, directory, signatures=settings)
        try:
            running.wait(running.rest(version=2).ready)
            time.sleep(2)
        finally:
            swapped.set()
            for thread in threads:
                thread.join(timeout=60)
    assert failures == []
    assert len(answered) > 10
    assert max(answered) - min(answered) < 1e-5


def test_two_models_of_one_configuration(base_path, loaded, raw, tmp_path):
    shutil.copytree(base_path / "1", tmp_path / "second" / "4")
    text = models_config({"ranker": str(base_path), "second": str(tmp_path / "second")}, versions={"second": [4]})
    (tmp_path / "models.config").write_text(text)
    request = request_of(raw, 3, 20)
    flag = f"--model_config_file={tmp_path / 'models.config'}"
    with serving(tmp_path, flag, models=("ranker", "second")) as running:
        for client in (running.grpc("ranker"), running.rest("second"), running.rest("second", version=4)):
            assert_ranked(client.rank(request), direct_scores(loaded, request))
