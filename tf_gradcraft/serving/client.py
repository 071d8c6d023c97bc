"""A typed client for ranking requests, whatever the protocol; neither TensorFlow nor Keras is needed."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tf_gradcraft.data_pipelines.feature import MISSING
from tf_gradcraft.suggestions import unknown_name

RANK = "rank"
NUM_CANDIDATES = "num_candidates"
WEIGHT = "_weight"
SCORE, TOP_K, TOP_K_SCORE = "score", "top_k", "top_k_score"
NUMPY_DTYPES = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_INT32": "int32",
    "DT_INT64": "int64",
    "DT_STRING": "object",
}
"""What inputs of exported models can be, as the protocols and as NumPy name it."""

Value = int | float | str | bytes | None | Sequence[int] | Sequence[str]
"""A raw value; a list of them for tags and histories."""


class ServingError(RuntimeError):
    """A server that refused a request, could not be reached, or answered something else than was asked for."""


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """One input of a signature: dtype as NumPy names it (`object` for strings), and its number of dimensions."""

    dtype: str
    dimensions: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class RankRequest:
    """One user and context, and the candidates to rank for them.

    Args:
        request: Raw features of user and context, one value each, a list for tags and histories (of any length). None
            for a number that is missing.
        candidates: Raw features of the candidates: for each as many values, in one order.
        task_weights: Weight of tasks in the combined score; for the others that of the export.

    Raises:
        ValueError: If the candidates' features have different lengths.

    Example:
        >>> request = RankRequest(request={"user_id": 7}, candidates={"video_id": [30, 10, 20]})
        >>> request.num_candidates
        3
    """

    request: Mapping[str, Value]
    candidates: Mapping[str, Sequence[Value]]
    task_weights: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {name: len(values) for name, values in self.candidates.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"the features of the candidates need as many values each, got {lengths}")

    @property
    def num_candidates(self) -> int:
        """How many candidates there are."""
        return len(next(iter(self.candidates.values())))

    def inputs(self, signature: Mapping[str, InputSpec]) -> dict[str, np.ndarray]:
        """Returns the inputs of the signature `rank`: features [1] or [1, N], of lists [1, L] or [1, N, L].

        Raises:
            ValueError: If a feature or task is missing, not known or on the wrong side, or a value does not fit.
        """
        given: dict[str, list[Any]] = {name: [value] for name, value in self.request.items()}
        given |= {name: [list(values)] for name, values in self.candidates.items()}
        given |= {f"{task}{WEIGHT}": [weight] for task, weight in self.task_weights.items()}
        given[NUM_CANDIDATES] = [self.num_candidates]
        optional = {name for name in signature if name.endswith(WEIGHT)}
        if missing := sorted(set(signature) - set(given) - optional):
            raise ValueError(f"the request has no value for {', '.join(missing)}; the model needs every raw feature")
        inputs = {}
        for name, values in given.items():
            if name not in signature:
                raise ValueError(unknown_name("input of rank", name, signature))
            spec = signature[name]
            if filled_up(values, spec).ndim != spec.dimensions:
                of_request = spec.dimensions == 1 or (spec.dimensions == 2 and name in self.candidates)
                remedy = "request; give it there" if of_request else "candidates; give it there, and tags as lists"
                raise ValueError(f"{name!r} belongs to the {remedy}")
            inputs[name] = as_array(name, values, spec)
        return inputs


@dataclasses.dataclass(frozen=True)
class RankResponse:
    """What a server answered.

    Attributes:
        scores: Combined score of each candidate, float32 [N].
        predictions: Each task's prediction for each candidate, `{task: float32 [N]}`.
        order: Positions of the best candidates, best first; at most as many as the export lists (`Rank.top_k`).
    """

    scores: np.ndarray
    predictions: dict[str, np.ndarray]
    order: np.ndarray

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, np.ndarray], num_candidates: int) -> RankResponse:
        """Reads the outputs of one request, [1, N or more]: a server that batches requests pads the shorter ones."""
        rows = {name: np.asarray(values)[0] for name, values in outputs.items()}
        order = rows.pop(TOP_K)
        rows.pop(TOP_K_SCORE)
        cut = {name: values[:num_candidates].astype(np.float32) for name, values in rows.items()}
        return cls(cut.pop(SCORE), cut, order[order >= 0].astype(np.int64))


def as_array(name: str, values: Any, spec: InputSpec) -> np.ndarray:
    """Returns values as an input; None is allowed for floats, and lists may be of different lengths.

    Example:
        >>> as_array("age", [30, None], InputSpec("float32", 1)).tolist()
        [30.0, nan]
    """
    array = filled_up(values, spec)
    if array.ndim != spec.dimensions:
        raise ValueError(f"{name!r} needs {spec.dimensions} dimensions, got values of shape {array.shape}")
    for value in array.ravel():
        fits = isinstance(value, str | bytes) if spec.dtype == "object" else is_number(value, spec.dtype)
        if not fits:
            raise ValueError(f"{name!r}: {value!r} is no value of the type {spec.dtype.replace('object', 'string')}")
    return array.astype(spec.dtype)


def filled_up(values: Any, spec: InputSpec) -> np.ndarray:
    """Returns values as an array of objects; the innermost lists are filled up to the longest.

    Example:
        >>> filled_up([["a"], ["b", "c"]], InputSpec("object", 2)).tolist()
        [['a', ''], ['b', 'c']]
    """
    array = np.asarray(values, object)
    lists = list(array.ravel())
    if array.ndim != spec.dimensions - 1 or not all(isinstance(value, list | tuple | np.ndarray) for value in lists):
        return array
    filling = MISSING.get(spec.dtype.replace("object", "string"))
    longest = max(map(len, lists), default=0)
    rows = [[*value, *[filling] * (longest - len(value))] for value in lists]
    return np.asarray(rows, object).reshape(*array.shape, longest)


def is_number(value: Any, dtype: str) -> bool:
    """Whether a value can be sent as a number of this type without a change.

    Example:
        >>> is_number(3, "float32"), is_number(None, "float32"), is_number(2.5, "int64"), is_number(2**63, "int64")
        (True, True, False, False)
    """
    if dtype.startswith("float"):
        return value is None or (isinstance(value, int | float | np.number) and not isinstance(value, bool))
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        return False
    return int(np.iinfo(dtype).min) <= int(value) <= int(np.iinfo(dtype).max)


class ServingClient(abc.ABC):
    """What the clients of both protocols have in common.

    Args:
        model: Name of the model on the server.
        version: The version to ask; the server's latest by default.
        timeout: Seconds to wait for an answer.
    """

    def __init__(self, model: str, version: int | None, timeout: float) -> None:
        self.model, self.version, self.timeout = model, version, timeout
        self._signatures: dict[str, dict[str, InputSpec]] | None = None

    def rank(self, request: RankRequest) -> RankResponse:
        """Ranks candidates.

        Raises:
            ValueError: If the request does not fit the model's signature.
            ServingError: If the server can't be reached or refuses the request.
        """
        inputs = request.inputs(self.signature(RANK))
        return RankResponse.from_outputs(self._predict(RANK, inputs), request.num_candidates)

    def predict(
        self, columns: Mapping[str, Sequence[Any]], signature: str = "serving_default"
    ) -> dict[str, np.ndarray]:
        """Runs another signature with all its inputs, and returns its outputs by name; see `rank` for errors."""
        specs = self.signature(signature)
        if set(specs) != set(columns):
            raise ValueError(f"{signature} has the inputs {', '.join(specs)}; the request has {', '.join(columns)}")
        return self._predict(signature, {name: as_array(name, columns[name], specs[name]) for name in specs})

    def signature(self, name: str) -> dict[str, InputSpec]:
        """Returns the inputs of a signature; the server is asked once."""
        if self._signatures is None:
            self._signatures = self._read_signatures()
        if name not in self._signatures:
            raise ServingError(f"the model {self.model!r} has no signature {name!r}: {', '.join(self._signatures)}")
        return self._signatures[name]

    @abc.abstractmethod
    def ready(self) -> bool:
        """Whether the server has the model loaded and answers."""

    @abc.abstractmethod
    def _read_signatures(self) -> dict[str, dict[str, InputSpec]]: ...

    @abc.abstractmethod
    def _predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]: ...
