"""A process that runs SavedModels through TensorFlow's C API, and nothing else of TensorFlow or of this package."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import numpy as np

from tf_gradcraft.serving.contract import SignatureSpec, read_signatures

SCRIPT = Path(__file__).parent / "c_runtime.py"


class CRuntimeError(RuntimeError):
    """TensorFlow's C API refused to load or to run something; the process lives on."""


class Runtime:
    """Loads and runs exports in a process of its own; a context manager.

    The process has the interpreter and NumPy, and loads `libtensorflow_cc` of the installed wheel by ctypes: the code
    that a model server runs.

    Args:
        threads: Threads of TensorFlow's two pools; by default what the environment says.

    Raises:
        FileNotFoundError: If the installed TensorFlow has no such library (it has on Linux).

    Example:
        >>> with Runtime() as runtime:
        ...     runtime.load("no/such/folder")
        Traceback (most recent call last):
        tf_gradcraft.serving.runtime.CRuntimeError: ...no/such/folder...
    """

    def __init__(self, threads: int | None = None) -> None:
        folder = library_folder()
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if threads is not None:
            environment |= dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), str(threads))
        process = subprocess.Popen(
            [sys.executable, "-I", str(SCRIPT), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        # Pipes were asked for, so they are there.
        self._process = process
        self._requests, self._answers = cast(IO[str], process.stdin), cast(IO[str], process.stdout)

    def load(self, export: str | Path) -> LoadedExport:
        """Loads the version of an export.

        Raises:
            CRuntimeError: With TensorFlow's message, if it can't be loaded.
        """
        reply = self.call({"load": str(export)})
        return LoadedExport(self, Path(export), reply["model"], reply["seconds"], reply["imported"])

    def call(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Sends one request, see `c_runtime.py`, and returns the answer.

        Raises:
            CRuntimeError: If the answer is an error.
            RuntimeError: If the process has died.
        """
        try:
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
            line = self._answers.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"the process of the C runtime has died with exit code {self._process.wait()}")
        reply = json.loads(line)
        if "error" in reply:
            raise CRuntimeError(reply["error"])
        return reply

    def close(self) -> None:
        """Ends the process."""
        self._requests.close()
        self._process.wait()
        self._answers.close()

    def __enter__(self) -> Runtime:
        """Returns itself."""
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends the process."""
        self.close()


class LoadedExport:
    """An export that a `Runtime` has loaded.

    Attributes:
        number: Its number in the process.
        seconds: How long loading took.
        imported: Which of tensorflow, keras and tf_gradcraft were imported in the process: none.
        signatures: The signatures by name.
    """

    def __init__(self, runtime: Runtime, path: Path, model: int, seconds: float, imported: list[str]) -> None:
        self._runtime, self.number = runtime, model
        self.seconds, self.imported = seconds, imported
        self.signatures: dict[str, SignatureSpec] = read_signatures(path)

    def run(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            signature: Its name.
            inputs: Values by input name. Inputs with a default in the signature may be left out.

        Returns:
            The outputs by name.

        Raises:
            CRuntimeError: With TensorFlow's message.
        """
        return self.timed_run(signature, inputs)[0]

    def timed_run(self, signature: str, inputs: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], list[float]]:
        """Like `run`, and the seconds that making the input tensors and the call itself took."""
        request = self.request(signature, inputs)
        reply = self._runtime.call(request)
        outputs = {
            name: np.array(item["values"], item["dtype"]).reshape(item["shape"])
            for name, item in reply["outputs"].items()
        }
        return outputs, reply["seconds"]

    def request(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the request that `run` sends.

        Raises:
            CRuntimeError: If the signature has no input of that name.
        """
        spec = self.signatures[signature]
        fed = {}
        for name, values in inputs.items():
            if name not in spec.inputs:
                raise CRuntimeError(f"the signature {signature} has no input {name!r}")
            fed[spec.inputs[name].tensor] = as_json(values, spec.inputs[name].dtype)
        outputs = {name: info.tensor for name, info in spec.outputs.items()}
        return {"model": self.number, "inputs": fed, "outputs": outputs}


def as_json(values: Any, dtype: str) -> dict[str, Any]:
    """Returns values in the form that `c_runtime.py` reads.

    Example:
        >>> as_json([[b"a"], [b"b"]], "string")
        {'dtype': 'string', 'shape': [2, 1], 'values': ['a', 'b']}
    """
    if dtype != "string":
        array = np.asarray(values, dtype)
        return {"dtype": dtype, "shape": list(array.shape), "values": array.ravel().tolist()}
    array = np.asarray(values, object)
    texts = [
        value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value) for value in array.ravel()
    ]
    return {"dtype": dtype, "shape": list(array.shape), "values": texts}


def library_folder() -> Path:
    """Returns the folder of the installed TensorFlow's libraries, without importing it."""
    found = importlib.util.find_spec("tensorflow")
    folder = Path((found.submodule_search_locations or [""])[0]) if found else Path()
    if not (folder / "libtensorflow_cc.so.2").is_file():
        raise FileNotFoundError(
            f"{folder} holds no libtensorflow_cc.so.2: the check needs TensorFlow's wheel for Linux; run it there"
        )
    return folder
