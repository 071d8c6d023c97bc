"""What an export must look like from outside, read from its `saved_model.pb`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

TAG = "serve"
INIT_SIGNATURE = "__saved_model_init_op"
PREDICT = "tensorflow/serving/predict"
DTYPES = {1: "float32", 2: "float64", 3: "int32", 7: "string", 9: "int64", 10: "bool"}
PYTHON_OPERATIONS = ("PyFunc", "PyFuncStateless", "EagerPyFunc")


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """One input or output of a signature: tensor name in the graph, dtype, shape (None: open)."""

    tensor: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class SignatureSpec:
    """One signature: inputs and outputs by name, and the inputs that a request may leave out."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]
    optional: tuple[str, ...]
    method: str


def read_meta_graph(path: str | Path) -> Any:
    """Returns the MetaGraphDef of an export for the tag `serve`.

    Raises:
        FileNotFoundError: If the folder holds no `saved_model.pb`.
        ValueError: If there is not exactly one graph with that tag alone.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    file = Path(path) / "saved_model.pb"
    if not file.is_file():
        raise FileNotFoundError(
            f"{path} is no version of an export: it holds no saved_model.pb; name a numbered folder"
        )
    graphs = saved_model_pb2.SavedModel.FromString(file.read_bytes()).meta_graphs
    found = [graph for graph in graphs if list(graph.meta_info_def.tags) == [TAG]]
    if len(found) != 1:
        raise ValueError(f"{file} has {len(found)} graphs with the tag {TAG!r}, a server wants one; export again")
    return found[0]


def read_signatures(path: str | Path) -> dict[str, SignatureSpec]:
    """Returns the signatures of an export by name; see `read_meta_graph` for errors."""
    return {
        name: SignatureSpec(
            {key: _tensor_info(info) for key, info in sorted(signature.inputs.items())},
            {key: _tensor_info(info) for key, info in sorted(signature.outputs.items())},
            tuple(sorted(signature.defaults)),
            signature.method_name,
        )
        for name, signature in sorted(read_meta_graph(path).signature_def.items())
        if name != INIT_SIGNATURE
    }


def _tensor_info(info: Any) -> TensorInfo:
    shape = tuple(None if dimension.size == -1 else dimension.size for dimension in info.tensor_shape.dim)
    return TensorInfo(info.name, DTYPES.get(info.dtype, f"type {info.dtype}"), shape)


def broken_promises(path: str | Path) -> list[str]:
    """Returns what is wrong with an export, one sentence each; none if it keeps its contract.

    The contract: one graph tagged `serve`; a signature `serving_default`; all signatures are for predictions, their
    inputs and outputs have an open leading dimension, so that a server may batch requests, and names of their own (not
    `args_0`, `output_0`); no operation calls Python.
    """
    graph, signatures = read_meta_graph(path), read_signatures(path)
    wrong = [] if "serving_default" in signatures else ["there is no signature serving_default"]
    for name, signature in signatures.items():
        if signature.method != PREDICT:
            wrong.append(f"{name} is for {signature.method or 'nothing'}, not for {PREDICT}")
        for kind, infos in (("input", signature.inputs), ("output", signature.outputs)):
            for key, info in infos.items():
                if not info.shape or info.shape[0] is not None:
                    wrong.append(f"{name}: {kind} {key!r} has the shape {list(info.shape)}, its first is not open")
                if key.startswith(("args_", "output_", "keras_tensor")):
                    wrong.append(f"{name}: {kind} {key!r} has no name of its own")
    nodes = [*graph.graph_def.node, *(node for made in graph.graph_def.library.function for node in made.node_def)]
    wrong += sorted({f"the operation {node.op} calls Python" for node in nodes if node.op in PYTHON_OPERATIONS})
    return wrong
