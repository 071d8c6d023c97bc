"""Malformed requests by the thousand: an error or a defined answer, and the process lives on."""

import collections

import numpy as np
import pytest

from tf_gradcraft.serving.runtime import CRuntimeError

REQUESTS = 3_000
DTYPES = ("int64", "string", "float32", "int32", "float64", "bool")
TEXTS = ("", "news", "\udcff\udcfe", "\x00", "🎸" * 50, "-1", "NaN")
NUMBERS = (0, 1, -1, 7, 2**31 - 1, -(2**31))
FLOATS = (0.0, -0.0, 1.5, float("nan"), float("inf"), -float("inf"), 3e38, 1e-45)


class Fuzzer:
    """Draws requests that are mostly almost right."""

    def __init__(self, signatures, random):
        self.signatures, self.random = signatures, random
        self.drawn = collections.Counter()

    def values(self, dtype, size):
        if dtype == "string":
            return [TEXTS[i] for i in self.random.integers(0, len(TEXTS), size)]
        if dtype.startswith("float"):
            return [FLOATS[i] for i in self.random.integers(0, len(FLOATS), size)]
        if dtype == "bool":
            return self.random.integers(0, 2, size).astype(bool).tolist()
        chosen = [NUMBERS[i] for i in self.random.integers(0, len(NUMBERS), size)]
        return [value * 2**31 for value in chosen] if dtype == "int64" else chosen

    def request(self):
        """A signature and its inputs as the C runtime takes them; half of the requests have one or two faults."""
        name = self.random.choice(list(self.signatures))
        spec, sizes = self.signatures[name], self.random.integers(0, 4, 2).tolist()
        inputs = {}
        for key, info in spec.inputs.items():
            if key in spec.optional and self.random.random() < 0.5:
                continue
            inputs[key] = {"dtype": info.dtype, "shape": sizes[: len(info.shape)]}
        for _ in range(self.random.choice([0, 0, 1, 2])):
            self.drawn[name, self.spoil(inputs)] += 1
        for item in inputs.values():
            item["values"] = self.values(item["dtype"], int(np.prod(item["shape"], dtype=np.int64)))
        return name, {spec.inputs[key].tensor: item for key, item in inputs.items()}

    def spoil(self, inputs):
        """Puts one of five kinds of faults into a request; returns which, None if nothing is left to spoil."""
        if not inputs:
            return None
        key = self.random.choice(list(inputs))
        fault = self.random.integers(0, 5)
        if fault == 0:
            del inputs[key]
        elif fault == 1:
            inputs[key]["dtype"] = str(self.random.choice(DTYPES))
        elif fault == 2:
            inputs[key]["shape"] = self.random.integers(0, 4, self.random.integers(0, 4)).tolist()
        elif fault == 3:
            inputs[key]["shape"] = [size + 1 for size in inputs[key]["shape"]]
        else:
            inputs[key]["shape"] = [0 for _ in inputs[key]["shape"]]
        return int(fault)


def test_thousands_of_malformed_requests(runtime, loaded, exported, raw):
    good = {name: values[:50] for name, values in raw.items()}
    before = loaded.run("serving_default", good)
    fuzzer = Fuzzer(loaded.signatures, np.random.default_rng(11))
    answered = refused = 0
    for _ in range(REQUESTS):
        name, inputs = fuzzer.request()
        outputs = {key: info.tensor for key, info in loaded.signatures[name].outputs.items()}
        try:
            reply = runtime.call({"model": loaded.number, "inputs": inputs, "outputs": outputs})
        except CRuntimeError:
            refused += 1
            continue
        answered += 1
        shapes = {key: item["shape"] for key, item in reply["outputs"].items()}
        assert len({shape[0] for shape in shapes.values()}) == 1, "outputs are batch-major"
        for task in ("click", "like"):
            values = np.array(reply["outputs"][task]["values"])
            assert ((values >= 0) & (values <= 1)).all(), f"{name}: a probability for whatever was sent"
    assert all(fuzzer.drawn[name, fault] > 50 for name in loaded.signatures for fault in range(5)), fuzzer.drawn
    assert answered > REQUESTS // 5
    assert refused > REQUESTS // 5
    after = loaded.run("serving_default", good)
    for task in before:
        np.testing.assert_array_equal(before[task], after[task], err_msg="answers are those from before")


def test_a_hundred_thousand_rows_in_one_request(loaded, raw):
    rows = 100_000
    many = {name: np.resize(values, rows) for name, values in raw.items()}
    found, few = loaded.run("serving_default", many), loaded.run("serving_default", raw)
    np.testing.assert_allclose(found["click"], np.resize(few["click"], (rows, 1)), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [{"tag": [1, 2]}, {"user_id": [1.0, 2.0]}, {"duration": ["a", "b"]}],
    ids=repr,
)
def test_wrong_dtypes_are_errors(runtime, loaded, raw, wrong):
    good = {name: values[:2] for name, values in raw.items()}
    request = loaded.request("serving_default", good)
    [(name, values)] = wrong.items()
    dtype = {int: "int64", float: "float64", str: "string"}[type(values[0])]
    tensor = loaded.signatures["serving_default"].inputs[name].tensor
    request["inputs"][tensor] = {"dtype": dtype, "shape": [2], "values": values}
    with pytest.raises(CRuntimeError):
        runtime.call(request)


@pytest.mark.parametrize("name", ["user_id", "tag", "duration"])
def test_missing_keys_and_ragged_lengths_are_errors(loaded, raw, name):
    good = {key: values[:3] for key, values in raw.items()}
    with pytest.raises(CRuntimeError, match="You must feed a value"):
        loaded.run("serving_default", {key: values for key, values in good.items() if key != name})
    for length in (0, 1, 2, 4):
        with pytest.raises(CRuntimeError):
            loaded.run("serving_default", good | {name: raw[name][:length]})


def test_an_empty_batch_has_an_empty_answer(loaded, raw):
    found = loaded.run("serving_default", {name: values[:0] for name, values in raw.items()})
    assert {task: values.shape for task, values in found.items()} == {"click": (0, 1), "like": (0, 1)}


def test_numbers_that_are_not_finite_are_missing_and_bad_bytes_unknown(loaded, raw):
    row = {"user_id": [900], "tag": ["news"], "empty": [""], "duration": [7.5], "age": [37.0]}
    expected = loaded.run("serving_default", row)
    for value in (np.nan, np.inf, -np.inf):
        found = loaded.run("serving_default", row | {"duration": [value], "age": [value]})
        np.testing.assert_array_equal(found["click"], expected["click"])
    unknown = loaded.run("serving_default", row | {"tag": ["never seen"]})
    for text in (b"\xff\xfe", b"\x00", b"ne\x00ws", b"News"):
        np.testing.assert_array_equal(loaded.run("serving_default", row | {"tag": [text]})["click"], unknown["click"])
    assert unknown["click"] != expected["click"]
