"""The client over gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_gradcraft.serving.client import NUMPY_DTYPES, InputSpec, ServingClient, ServingError

LARGEST_MESSAGE = 64 * 2**20


class GrpcClient(ServingClient):
    """Asks a TensorFlow Serving over gRPC (`--port`); imports TensorFlow, whose protos the server speaks.

    Args:
        address: Host and port, such as `"localhost:8500"`.
        model: Name of the model on the server.
        version: The version to ask; the server's latest by default.
        timeout: Seconds to wait for an answer.
        credentials: `grpc.ChannelCredentials` for TLS; none by default.
    """

    def __init__(
        self, address: str, model: str, version: int | None = None, timeout: float = 10.0, credentials: Any = None
    ) -> None:
        import grpc
        from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

        super().__init__(model, version, timeout)
        options = [("grpc.max_receive_message_length", LARGEST_MESSAGE)]
        if credentials is None:
            self._channel = grpc.insecure_channel(address, options)
        else:
            self._channel = grpc.secure_channel(address, credentials, options)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def ready(self) -> bool:
        """See `ServingClient`."""
        from tensorflow_serving.apis import get_model_status_pb2

        request = self._addressed(get_model_status_pb2.GetModelStatusRequest())
        try:
            status = self._call(self._models.GetModelStatus, request)
        except ServingError:
            return False
        available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        return any(entry.state == available for entry in status.model_version_status)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _read_signatures(self) -> dict[str, dict[str, InputSpec]]:
        from tensorflow.core.framework import types_pb2
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = self._addressed(get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"]))
        answer = self._call(self._predictions.GetModelMetadata, request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(signatures)
        return {
            name: {
                key: InputSpec(NUMPY_DTYPES[types_pb2.DataType.Name(info.dtype)], len(info.tensor_shape.dim))
                for key, info in signature.inputs.items()
            }
            for name, signature in signatures.signature_def.items()
            if signature.method_name
        }

    def _predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = self._addressed(predict_pb2.PredictRequest())
        request.model_spec.signature_name = signature
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
        outputs = self._call(self._predictions.Predict, request).outputs
        return {name: tf.make_ndarray(proto) for name, proto in outputs.items()}

    def _addressed(self, request: Any) -> Any:
        request.model_spec.name = self.model
        if self.version is not None:
            request.model_spec.version.value = self.version
        return request

    def _call(self, method: Any, request: Any) -> Any:
        import grpc

        try:
            return method(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise ServingError(f"the server answered {error.code().name}: {error.details()}") from error
