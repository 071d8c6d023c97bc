"""Runs SavedModels through TensorFlow's C API alone, as a model server does: no tensorflow, no keras, no tf_gradcraft.

A script, not a module to import: `python -I c_runtime.py FOLDER`, where FOLDER holds `libtensorflow_cc.so.2`. It reads
one JSON request a line from stdin and writes one JSON answer a line to stdout; `tf_gradcraft.serving.runtime.Runtime`
talks to it. Requests:

- `{"load": export_dir}` -> `{"model": number, "seconds": s, "imported": [which of the three are loaded]}`
- `{"model": number, "inputs": {tensor: {"dtype", "shape", "values"}}, "outputs": {name: tensor}}` ->
  `{"outputs": {name: {"dtype", "shape", "values"}}, "seconds": [parse, run]}`

An error of TensorFlow's becomes `{"error": message, "code": number}`. Strings travel as UTF-8 with surrogate escapes,
so that any bytes can be sent.
"""

import ctypes
import json
import sys
import time
from pathlib import Path

import numpy as np

DTYPES = {"float32": 1, "float64": 2, "int32": 3, "string": 7, "int64": 9, "bool": 10}
NAMES = {number: name for name, number in DTYPES.items()}
INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED = 3, 5, 12
STRING_BYTES = 24  # sizeof(TF_TString)
FORBIDDEN = ("tensorflow", "keras", "tf_gradcraft")


class TensorFlowError(Exception):
    """What a call of the C API reported: code and message."""


class Output(ctypes.Structure):
    """`TF_Output`: an operation of a graph and the index of one of its outputs."""

    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class Library:
    """The functions of the C API that loading and running need."""

    def __init__(self, folder):
        framework = ctypes.CDLL(str(Path(folder) / "libtensorflow_framework.so.2"), ctypes.RTLD_GLOBAL)
        whole = ctypes.CDLL(str(Path(folder) / "libtensorflow_cc.so.2"), ctypes.RTLD_GLOBAL)
        void, integer = ctypes.c_void_p, ctypes.c_int
        for name in ("TF_NewStatus", "TF_NewBuffer", "TF_AllocateTensor", "TF_TensorData"):
            getattr(framework, name).restype = void
        for name in ("TF_NewGraph", "TF_NewSessionOptions", "TF_LoadSessionFromSavedModel", "TF_GraphOperationByName"):
            getattr(whole, name).restype = void
        framework.TF_Message.restype = ctypes.c_char_p
        framework.TF_Dim.restype, framework.TF_Dim.argtypes = ctypes.c_int64, [void, integer]
        framework.TF_TensorByteSize.restype = ctypes.c_size_t
        for name in ("TF_TensorData", "TF_NumDims", "TF_TensorType", "TF_TensorByteSize", "TF_DeleteTensor"):
            getattr(framework, name).argtypes = [void]
        self.framework, self.whole = framework, whole
        self.status = void(framework.TF_NewStatus())

    def check(self):
        """Raises what the last call reported."""
        code = self.framework.TF_GetCode(self.status)
        if code:
            raise TensorFlowError(code, self.framework.TF_Message(self.status).decode("utf-8", "replace"))

    def tensor(self, dtype, shape, values):
        """Makes a TF_Tensor; the caller deletes it."""
        dims = (ctypes.c_int64 * len(shape))(*shape)
        if dtype != "string":
            array = np.asarray(values, dtype)
            if array.size != np.prod(shape, dtype=np.int64):
                raise TensorFlowError(INVALID_ARGUMENT, f"{array.size} values do not fill the shape {shape}")
            size = ctypes.c_size_t(array.nbytes)
            made = self.framework.TF_AllocateTensor(DTYPES[dtype], dims, len(shape), size)
            if array.nbytes:
                ctypes.memmove(self.framework.TF_TensorData(made), array.tobytes(), array.nbytes)
            return made
        if len(values) != np.prod(shape, dtype=np.int64):
            raise TensorFlowError(INVALID_ARGUMENT, f"{len(values)} values do not fill the shape {shape}")
        size = ctypes.c_size_t(STRING_BYTES * len(values))
        made = self.framework.TF_AllocateTensor(DTYPES[dtype], dims, len(shape), size)
        start = self.framework.TF_TensorData(made)
        for number, value in enumerate(values):
            at, text = ctypes.c_void_p(start + STRING_BYTES * number), value.encode("utf-8", "surrogateescape")
            self.whole.TF_StringInit(at)
            self.whole.TF_StringCopy(at, text, ctypes.c_size_t(len(text)))
        return made

    def array(self, tensor):
        """Returns dtype, shape and values of a TF_Tensor of numbers."""
        number = self.framework.TF_TensorType(tensor)
        if number not in NAMES or NAMES[number] == "string":
            raise TensorFlowError(UNIMPLEMENTED, f"an output has the type {number}; only numbers are read here")
        shape = [self.framework.TF_Dim(tensor, axis) for axis in range(self.framework.TF_NumDims(tensor))]
        data = ctypes.string_at(self.framework.TF_TensorData(tensor), self.framework.TF_TensorByteSize(tensor))
        return NAMES[number], shape, np.frombuffer(data, NAMES[number])


class Session:
    """A loaded SavedModel."""

    def __init__(self, library, export_dir):
        self.library, whole = library, library.whole
        self.graph = ctypes.c_void_p(whole.TF_NewGraph())
        options = ctypes.c_void_p(whole.TF_NewSessionOptions())
        tags = (ctypes.c_char_p * 1)(b"serve")
        buffer = ctypes.c_void_p(library.framework.TF_NewBuffer())
        self.session = ctypes.c_void_p(
            whole.TF_LoadSessionFromSavedModel(
                options, None, export_dir.encode(), tags, 1, self.graph, buffer, library.status
            )
        )
        library.check()

    def find(self, tensor_name):
        """Returns the `TF_Output` of a tensor's name."""
        operation, _, index = tensor_name.partition(":")
        found = self.library.whole.TF_GraphOperationByName(self.graph, operation.encode())
        if not found:
            raise TensorFlowError(NOT_FOUND, f"the graph has no {operation}")
        return Output(found, int(index or 0))

    def run(self, inputs, outputs):
        """Runs once; returns the outputs and how long making the tensors and the run took."""
        library, begin = self.library, time.perf_counter()
        fed = (Output * len(inputs))(*map(self.find, inputs))
        fetched = (Output * len(outputs))(*map(self.find, outputs.values()))
        results = (ctypes.c_void_p * len(outputs))()
        given = []
        try:
            for item in inputs.values():
                given.append(library.tensor(item["dtype"], item["shape"], item["values"]))
            values = (ctypes.c_void_p * len(given))(*given)
            ready = time.perf_counter()
            library.whole.TF_SessionRun(
                self.session,
                None,
                fed,
                values,
                len(given),
                fetched,
                results,
                len(outputs),
                None,
                0,
                None,
                library.status,
            )
            done = time.perf_counter()
            library.check()
            arrays = dict(zip(outputs, map(library.array, results), strict=True))
        finally:
            for tensor in (*given, *(result for result in results if result)):
                library.framework.TF_DeleteTensor(tensor)
        named = {
            name: {"dtype": dtype, "shape": shape, "values": array.tolist()}
            for name, (dtype, shape, array) in arrays.items()
        }
        return {"outputs": named, "seconds": [ready - begin, done - ready]}


def answer(request, library, sessions):
    """Returns the answer to one request."""
    if "load" in request:
        start = time.perf_counter()
        sessions.append(Session(library, request["load"]))
        imported = [name for name in FORBIDDEN if name in sys.modules]
        return {"model": len(sessions) - 1, "seconds": time.perf_counter() - start, "imported": imported}
    return sessions[request["model"]].run(request["inputs"], request["outputs"])


def main(folder):
    """Answers requests until stdin ends."""
    library = Library(folder)
    sessions: list[Session] = []
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line), library, sessions)
        except TensorFlowError as error:
            reply = {"code": error.args[0], "error": error.args[1]}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
