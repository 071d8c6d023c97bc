"""The REST and gRPC clients against a stand-in that speaks the protocols (see `stand_in.py` for what that shows)."""

import http.server
import json
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from served import TOLERANCE, WEIGHTS, randomised
from stand_in import StandIn

import tf_gradcraft as gc
from tf_gradcraft.data_pipelines import Feature, Schema, Task
from tf_gradcraft.models import SharedBottom
from tf_gradcraft.serving import GrpcClient, RankRequest, RestClient, ServingError

REQUEST = {"user_id": 2**40, "empty": "", "age": None}
CANDIDATES = {"tag": ["news", "sport", "Ärzte 🎸", "never seen", b"\xff\xfe"], "duration": [1.5, None, 20, 3.0, 8]}


@pytest.fixture(scope="module")
def server(exported, loaded):
    with StandIn(exported, loaded) as stand_in:
        yield stand_in


@pytest.fixture(params=["rest", "grpc"])
def connect(request):
    """Opens a client of either protocol for a stand-in."""
    opened = []

    def open_client(stand_in, model="ranker", **settings):
        kind, address = (RestClient, stand_in.rest_url) if request.param == "rest" else (GrpcClient, None)
        opened.append(kind(address or stand_in.grpc_address, model, **settings))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


def ranked_directly(loaded, **weights):
    inputs = {"user_id": [2**40], "empty": [""], "age": [np.nan], **{f"{t}_weight": [w] for t, w in weights.items()}}
    inputs |= {"tag": [CANDIDATES["tag"]], "duration": [[1.5, np.nan, 20, 3, 8]]}
    return {name: values[0] for name, values in loaded.run("rank", inputs).items()}


def assert_same(response, direct):
    np.testing.assert_allclose(response.scores, direct["score"], rtol=1e-6)
    assert set(response.predictions) == {"click", "like"}
    for task, values in response.predictions.items():
        np.testing.assert_allclose(values, direct[task], rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(response.order, direct["top_k"])


def test_rank(connect, server, loaded):
    response = connect(server).rank(RankRequest(request=REQUEST, candidates=CANDIDATES))
    assert_same(response, ranked_directly(loaded))
    assert response.scores.dtype == np.float32
    assert response.scores.shape == (5,)


def test_rank_with_weights_by_task(connect, server, loaded):
    request = RankRequest(request=REQUEST, candidates=CANDIDATES, task_weights={"like": -2.0})
    assert_same(connect(server).rank(request), ranked_directly(loaded, click=WEIGHTS["click"], like=-2.0))


def test_answers_of_a_batching_server_are_cut(connect, exported, loaded):
    with StandIn(exported, loaded, pad_to=9) as padding:
        response = connect(padding).rank(RankRequest(request=REQUEST, candidates=CANDIDATES))
    assert_same(response, ranked_directly(loaded))


def test_a_pinned_version(connect, server):
    assert connect(server, version=1).ready()
    assert len(connect(server, version=1).rank(RankRequest(request=REQUEST, candidates=CANDIDATES)).scores) == 5
    assert not connect(server, version=2).ready()
    with pytest.raises(ServingError, match="the server answered"):
        connect(server, version=2).rank(RankRequest(request=REQUEST, candidates=CANDIDATES))


def test_ready_and_unknown_models(connect, server):
    assert connect(server).ready()
    assert not connect(server, model="other").ready()
    with pytest.raises(ServingError, match=r"the server answered (404|NOT_FOUND)"):
        connect(server, model="other").rank(RankRequest(request=REQUEST, candidates=CANDIDATES))


def test_predict_takes_rows(connect, server, loaded, raw):
    columns = {name: values[:20].tolist() for name, values in raw.items()}
    found = connect(server).predict(columns)
    expected = loaded.run("serving_default", {name: values[:20] for name, values in raw.items()})
    for task in ("click", "like"):
        np.testing.assert_allclose(found[task], expected[task], rtol=0, atol=TOLERANCE)
    with pytest.raises(ValueError, match="serving_default has the inputs"):
        connect(server).predict({"tag": ["news"]})
    with pytest.raises(ServingError, match="has no signature 'classify'"):
        connect(server).predict(columns, signature="classify")


def test_a_single_output_keeps_its_name(connect, runtime, tmp_path):
    schema = Schema(features=[Feature(name="age", kind="numeric")], tasks=[Task(name="click")])
    path = gc.serving.export(randomised(SharedBottom(schema, bottom_units=[4], tower_units=[2])), tmp_path)
    with StandIn(path, runtime.load(path)) as stand_in:
        found = connect(stand_in).predict({"age": [30, None]})
    assert list(found) == ["click"]
    assert found["click"].shape == (2, 1)


@pytest.mark.parametrize(
    ("request_", "candidates", "message"),
    [
        ({**REQUEST, "user": 1}, CANDIDATES, "input of rank='user' is not known; did you mean 'user_id'"),
        ({"user_id": 1, "empty": ""}, CANDIDATES, "the request has no value for age"),
        ({**REQUEST, "user_id": "7"}, CANDIDATES, "'user_id': '7' is no value of the type int64"),
        ({**REQUEST, "user_id": 7.0}, CANDIDATES, "'user_id': 7.0 is no value of the type int64"),
        ({**REQUEST, "user_id": 2**63}, CANDIDATES, "is no value of the type int64"),
        ({**REQUEST, "user_id": None}, CANDIDATES, "'user_id': None is no value of the type int64"),
        ({**REQUEST, "empty": 5}, CANDIDATES, "'empty': 5 is no value of the type string"),
        ({**REQUEST, "user_id": [7]}, CANDIDATES, "'user_id' belongs to the request"),
        (REQUEST | {"tag": "news"}, {"duration": [1.0]}, "'tag' belongs to the candidates"),
    ],
)
def test_requests_that_do_not_fit_are_refused_before_they_are_sent(connect, server, request_, candidates, message):
    sent = len(server.requests)
    with pytest.raises(ValueError, match=message):
        connect(server).rank(RankRequest(request=request_, candidates=candidates))
    assert len(server.requests) == sent


def test_candidates_need_equal_lengths():
    with pytest.raises(ValueError, match="the features of the candidates need as many values each"):
        RankRequest(request=REQUEST, candidates={"tag": ["news"], "duration": [1.0, 2.0]})


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_server_that_is_not_there():
    for client in (RestClient(f"http://127.0.0.1:{closed_port()}", "m"), GrpcClient(f"127.0.0.1:{closed_port()}", "m")):
        assert not client.ready()
        with pytest.raises(ServingError, match=r"can't be reached|UNAVAILABLE"):
            client.rank(RankRequest(request=REQUEST, candidates=CANDIDATES))
        client.close()


def test_a_rest_server_that_closes_idle_connections_or_sends_no_json():
    class Closing(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        answers = iter([b'{"model_version_status": [{"state": "AVAILABLE"}]}'] * 2 + [b"<html>"])

        def do_GET(self):
            text = next(self.answers)
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            self.close_connection = True  # without a word in the headers, as an idle timeout would

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Closing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = RestClient(f"http://127.0.0.1:{server.server_address[1]}", "ranker")
    assert client.ready()
    assert client.ready(), "the connection is opened again"
    with pytest.raises(ServingError, match="without JSON"):
        client.signature("rank")
    client.close()
    server.shutdown()
    server.server_close()


def test_a_slow_server_is_given_up():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = RestClient(f"http://127.0.0.1:{silent.getsockname()[1]}", "ranker", timeout=0.05)
        with pytest.raises(ServingError, match="does not answer in time"):
            client.signature("rank")
        client.close()


def test_the_rest_client_imports_neither_tensorflow_nor_keras(server):
    code = (
        "import json, sys; from tf_gradcraft.serving import RankRequest, RestClient\n"
        f"client = RestClient({server.rest_url!r}, 'ranker')\n"
        "request = RankRequest(request={'user_id': 7, 'empty': '', 'age': 30},\n"
        "                      candidates={'tag': ['news', 'sport'], 'duration': [1, 2]})\n"
        "scores = client.rank(request).scores.tolist()\n"
        "print(json.dumps([len(scores), [m for m in ('tensorflow', 'keras', 'grpc') if m in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [2, []]
