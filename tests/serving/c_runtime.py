"""Runs a SavedModel through TensorFlow's C API alone, as a model server does: no tensorflow, no keras, no tf_gradcraft.

Called as a script: `c_runtime.py LIBRARY_FOLDER`, with a JSON request on stdin: `export_dir`, `inputs` (`{tensor name:
{"dtype", "values"}}`) and `outputs` (`{name: tensor name}`). Prints the outputs as JSON.
"""

import ctypes
import json
import sys
from pathlib import Path

import numpy as np

DTYPES = {"float32": 1, "int32": 3, "string": 7, "int64": 9}
STRING_BYTES = 24  # sizeof(TF_TString)


class Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


def open_library(folder):
    mode = ctypes.RTLD_GLOBAL
    framework = ctypes.CDLL(str(Path(folder) / "libtensorflow_framework.so.2"), mode)
    library = ctypes.CDLL(str(Path(folder) / "libtensorflow_cc.so.2"), mode)
    pointer_functions = ("TF_NewStatus", "TF_NewBuffer", "TF_AllocateTensor", "TF_TensorData")
    for name in pointer_functions:
        getattr(framework, name).restype = ctypes.c_void_p
    for name in ("TF_NewGraph", "TF_NewSessionOptions", "TF_LoadSessionFromSavedModel", "TF_GraphOperationByName"):
        getattr(library, name).restype = ctypes.c_void_p
    framework.TF_Message.restype = ctypes.c_char_p
    framework.TF_Dim.restype = ctypes.c_int64
    return framework, library


def run(request, folder):
    framework, library = open_library(folder)
    status = ctypes.c_void_p(framework.TF_NewStatus())

    def check():
        if framework.TF_GetCode(status):
            sys.exit(framework.TF_Message(status).decode())

    graph, options = ctypes.c_void_p(library.TF_NewGraph()), ctypes.c_void_p(library.TF_NewSessionOptions())
    tags = (ctypes.c_char_p * 1)(b"serve")
    buffer = ctypes.c_void_p(framework.TF_NewBuffer())
    export_dir = request["export_dir"].encode()
    session = library.TF_LoadSessionFromSavedModel(options, None, export_dir, tags, 1, graph, buffer, status)
    check()

    def find(tensor_name):
        operation, _, index = tensor_name.partition(":")
        found = library.TF_GraphOperationByName(graph, operation.encode())
        if not found:
            sys.exit(f"the graph has no {operation}")
        return Output(found, int(index or 0))

    def tensor(dtype, values):
        if dtype != "string":
            array = np.asarray(values, dtype)
            dims = (ctypes.c_int64 * array.ndim)(*array.shape)
            made = framework.TF_AllocateTensor(DTYPES[dtype], dims, array.ndim, ctypes.c_size_t(array.nbytes))
            ctypes.memmove(framework.TF_TensorData(ctypes.c_void_p(made)), array.tobytes(), array.nbytes)
            return made
        dims = (ctypes.c_int64 * 1)(len(values))
        made = framework.TF_AllocateTensor(DTYPES[dtype], dims, 1, ctypes.c_size_t(STRING_BYTES * len(values)))
        start = framework.TF_TensorData(ctypes.c_void_p(made))
        for number, value in enumerate(values):
            at, text = ctypes.c_void_p(start + STRING_BYTES * number), value.encode()
            library.TF_StringInit(at)
            library.TF_StringCopy(at, text, ctypes.c_size_t(len(text)))
        return made

    inputs = (Output * len(request["inputs"]))(*map(find, request["inputs"]))
    given = [tensor(item["dtype"], item["values"]) for item in request["inputs"].values()]
    outputs = (Output * len(request["outputs"]))(*map(find, request["outputs"].values()))
    results = (ctypes.c_void_p * len(outputs))()
    library.TF_SessionRun(
        ctypes.c_void_p(session),
        None,
        inputs,
        (ctypes.c_void_p * len(given))(*given),
        len(given),
        outputs,
        results,
        len(outputs),
        None,
        0,
        None,
        status,
    )
    check()
    answer = {}
    for name, result in zip(request["outputs"], results, strict=True):
        result = ctypes.c_void_p(result)
        shape = [framework.TF_Dim(result, axis) for axis in range(framework.TF_NumDims(result))]
        count = int(np.prod(shape))
        data = ctypes.cast(ctypes.c_void_p(framework.TF_TensorData(result)), ctypes.POINTER(ctypes.c_float * count))
        answer[name] = np.array(data.contents, np.float32).reshape(shape).tolist()
    return answer


if __name__ == "__main__":
    answer = run(json.load(sys.stdin), sys.argv[1])
    assert not {"tensorflow", "keras", "tf_gradcraft"} & set(sys.modules)
    print(json.dumps(answer))
