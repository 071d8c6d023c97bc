"""The client over REST; standard library and NumPy only."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

from tf_gradcraft.serving.client import NUMPY_DTYPES, InputSpec, ServingClient, ServingError


class RestClient(ServingClient):
    """Asks a TensorFlow Serving over REST (`--rest_api_port`). Keeps one connection; use one client a thread.

    Args:
        url: Where the server is, such as `"http://localhost:8501"`.
        model: Name of the model on the server.
        version: The version to ask; the server's latest by default.
        timeout: Seconds to wait for an answer.

    Raises:
        ValueError: If the URL is none of a server.

    Example:
        >>> RestClient("localhost:8501", "ranker")
        Traceback (most recent call last):
        ValueError: url='localhost:8501' is no address of a server; give one such as http://localhost:8501
    """

    def __init__(self, url: str, model: str, version: int | None = None, timeout: float = 10.0) -> None:
        super().__init__(model, version, timeout)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url={url!r} is no address of a server; give one such as http://localhost:8501")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._outputs: dict[str, list[str]] = {}
        self._connection = kind(parts.hostname, parts.port, timeout=timeout)
        pinned = "" if version is None else f"/versions/{version}"
        self._path = f"{parts.path.rstrip('/')}/v1/models/{quote(model, safe='')}{pinned}"

    def ready(self) -> bool:
        """See `ServingClient`."""
        try:
            status = self._call("GET", "")
        except ServingError:
            return False
        return any(entry["state"] == "AVAILABLE" for entry in status["model_version_status"])

    def close(self) -> None:
        """Closes the connection; the next call opens it again."""
        self._connection.close()

    def _read_signatures(self) -> dict[str, dict[str, InputSpec]]:
        signatures = self._call("GET", "/metadata")["metadata"]["signature_def"]["signature_def"]
        self._outputs = {name: list(signature.get("outputs", {})) for name, signature in signatures.items()}
        return {
            name: {
                key: InputSpec(NUMPY_DTYPES[info["dtype"]], len(info["tensor_shape"].get("dim", ())))
                for key, info in signature.get("inputs", {}).items()
            }
            for name, signature in signatures.items()
        }

    def _predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        body = {"signature_name": signature, "inputs": {name: as_json(values) for name, values in inputs.items()}}
        outputs = self._call("POST", ":predict", body)["outputs"]
        # A server does not name the output of a signature that has one alone.
        outputs = outputs if isinstance(outputs, dict) else {self._outputs[signature][0]: outputs}
        return {name: np.asarray(values) for name, values in outputs.items()}

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        for attempt in (1, 2):
            try:
                self._connection.request(method, self._path + path, data, headers)
                response = self._connection.getresponse()
                status, text = response.status, response.read()
                break
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
                # A server closes connections that are idle for long.
                self._connection.close()
                if attempt == 2:
                    raise ServingError(f"the server closed the connection ({error})") from error
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                raise ServingError(f"the server can't be reached or does not answer in time ({error})") from error
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise ServingError(f"the server answered {status} without JSON: {text[:200]!r}") from error
        if status != 200:
            raise ServingError(f"the server answered {status}: {answer.get('error', answer)}")
        return answer


def as_json(values: np.ndarray) -> Any:
    """Returns an array as the server's JSON has it: bytes in base64, other values as they are.

    Example:
        >>> as_json(np.array(["a", b"b"], object))
        ['a', {'b64': 'Yg=='}]
    """
    if values.dtype != object:
        return values.tolist()
    if values.ndim > 1:
        return [as_json(row) for row in values]
    return [{"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value for value in values]
