"""A stand-in for TensorFlow Serving, where no `tensorflow_model_server` is at hand: its protocols, not its code.

It answers gRPC with the official protos and REST in the documented JSON, and runs requests in the C runtime. It shows
that the clients speak the protocols; how the real server behaves it can't show.
"""

import base64
import json
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from served import meta_graph
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tf_gradcraft.serving.runtime import CRuntimeError

MODEL, VERSION = "ranker", 1


class StandIn(prediction_service_pb2_grpc.PredictionServiceServicer, model_service_pb2_grpc.ModelServiceServicer):
    """Serves one export under the name `ranker` on two ports of the loopback interface.

    With `pad_to` it answers `rank` as a server that batched the request with one of so many candidates.
    """

    def __init__(self, path, loaded, pad_to=0):
        self.loaded, self.pad_to, self.requests = loaded, pad_to, []
        self._lock = threading.Lock()
        self.signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=meta_graph(path).signature_def)
        self._grpc = grpc.server(futures.ThreadPoolExecutor(4))
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(self, self._grpc)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(self, self._grpc)
        self.grpc_address = f"127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"
        self._rest = ThreadingHTTPServer(("127.0.0.1", 0), rest_handler(self))
        self.rest_url = f"http://127.0.0.1:{self._rest.server_address[1]}"

    def __enter__(self):
        self._grpc.start()
        threading.Thread(target=self._rest.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._grpc.stop(None).wait()
        self._rest.shutdown()
        self._rest.server_close()

    def run(self, signature, inputs):
        self.requests.append((signature, inputs))
        if signature == "rank" and self.pad_to:
            shapes = {name: np.shape(values) for name, values in inputs.items()}
            inputs = {
                name: np.concatenate([values, np.full((1, self.pad_to - shapes[name][1]), values[0, 0])], axis=1)
                if len(shapes[name]) == 2
                else values
                for name, values in inputs.items()
            }
        with self._lock:
            return self.loaded.run(signature, inputs)

    def known(self, spec):
        return spec.name == MODEL and spec.version.value in (0, VERSION)

    def Predict(self, request, context):  # noqa: N802
        if not self.known(request.model_spec):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {request.model_spec.name}")
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        try:
            outputs = self.run(request.model_spec.signature_name, inputs)
        except CRuntimeError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return predict_pb2.PredictResponse(outputs={name: tf.make_tensor_proto(out) for name, out in outputs.items()})

    def GetModelMetadata(self, request, context):  # noqa: N802
        if not self.known(request.model_spec):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {request.model_spec.name}")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(self.signatures)
        return response

    def GetModelStatus(self, request, context):  # noqa: N802
        if not self.known(request.model_spec):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {request.model_spec.name}")
        entry = get_model_status_pb2.ModelVersionStatus(version=VERSION, state="AVAILABLE")
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=[entry])


def decoded(values):
    """JSON values with `{"b64": ...}` as bytes."""
    if isinstance(values, list):
        return [decoded(value) for value in values]
    return base64.b64decode(values["b64"]) if isinstance(values, dict) else values


def rest_handler(stand_in):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self, status, body):
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def resource(self):
            for prefix in (f"/v1/models/{MODEL}/versions/{VERSION}", f"/v1/models/{MODEL}"):
                if self.path.startswith(prefix) and self.path[len(prefix) :] in ("", "/metadata", ":predict"):
                    return self.path[len(prefix) :]
            return None

        def do_GET(self):
            resource = self.resource()
            if resource == "":
                state = {"version": str(VERSION), "state": "AVAILABLE", "status": {"error_code": "OK"}}
                self.reply(200, {"model_version_status": [state]})
            elif resource == "/metadata":
                found = json_format.MessageToDict(stand_in.signatures, preserving_proto_field_name=True)
                self.reply(200, {"model_spec": {"name": MODEL}, "metadata": {"signature_def": found}})
            else:
                self.reply(404, {"error": f"Malformed request: GET {self.path}"})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.resource() != ":predict":
                self.reply(404, {"error": f"Malformed request: POST {self.path}"})
                return
            dtypes = stand_in.loaded.signatures[body["signature_name"]].inputs
            try:
                inputs = {
                    name: np.array(
                        decoded(values), object if dtypes[name].dtype == "string" else dtypes[name].dtype, ndmin=1
                    )
                    for name, values in body["inputs"].items()
                }
                outputs = stand_in.run(body["signature_name"], inputs)
            except (CRuntimeError, KeyError) as error:
                self.reply(400, {"error": str(error)})
                return
            found = {name: values.tolist() for name, values in outputs.items()}
            self.reply(200, {"outputs": found if len(found) > 1 else next(iter(found.values()))})

        def log_message(self, *args):
            pass

    return Handler
