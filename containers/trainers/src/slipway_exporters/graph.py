"""An ONNX graph written node by node, and tables of columns in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

# Equality of strings came with operator set 19; ONNX Runtime reads 20 since 1.17.
OPSETS = {"": 20, "ai.onnx.ml": 3}
IR_VERSION = 9

OUTPUT = "prediction"
DOUBLE, FLOAT, INT64, STRING = (
    TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING,
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A tensor [rows, width], double or text. `sources`: the input column that each column is, untouched."""

    tensor: str
    width: int
    text: bool = False
    sources: tuple[str | None, ...] = ()

    def source(self, index: int) -> str | None:
        return self.sources[index] if self.sources else None


@dataclass
class Graph:
    """Nodes and constants in the making."""

    nodes: list = field(default_factory=list)
    constants: list = field(default_factory=list)
    # Input column → thresholds that a tree compares it with, for rows that prove the graph.
    thresholds: dict[str, set[float]] = field(default_factory=dict)
    # Input column → the categories that an encoder knows of it.
    categories: dict[str, set] = field(default_factory=dict)
    # The inputs' names, which a column of the user's data gives: nothing else may be called so.
    taken: frozenset[str] = frozenset()
    _count: int = 0

    def name(self, hint: str) -> str:
        while True:
            self._count += 1
            name = f"{hint}_{self._count}"
            if name not in self.taken:
                return name

    def add(
        self, operator: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes
    ) -> str:
        """The (first) output's name."""
        made = [self.name(operator) for _ in range(outputs)]
        self.nodes.append(
            helper.make_node(
                operator, list(inputs), made, name=made[0], domain=domain, **attributes
            )
        )
        return made[0]

    def constant(self, values: object, dtype: type = np.float64) -> str:
        name = self.name("c")
        array = np.asarray(values, dtype=object if dtype is str else dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def cast(self, tensor: str, to: int) -> str:
        return self.add("Cast", tensor, to=to)

    def inline(self, model: onnx.ModelProto, inputs: Mapping[str, str], output: str) -> str:
        """Puts another model's nodes into this graph; the name of the wanted output here."""
        prefix = self.name("sub") + "_"
        other = compose.add_prefix(model, prefix).graph
        for theirs, ours in inputs.items():
            # By a node and not by renaming: a loop's body may name the input too.
            self.nodes.append(
                helper.make_node("Identity", [ours], [prefix + theirs], name=prefix + theirs)
            )
        self.nodes.extend(other.node)
        self.constants.extend(other.initializer)
        return prefix + output

    def build(
        self,
        inputs: Sequence,
        prediction: str,
        opsets: Mapping[str, int] = OPSETS,
        ir_version: int = IR_VERSION,
    ) -> bytes:
        """The serialised model; equal graphs give equal bytes. `prediction` is [rows, 1], any float."""
        self.nodes.append(helper.make_node("Cast", [prediction], [OUTPUT], name=OUTPUT, to=FLOAT))
        graph = helper.make_graph(
            self.nodes,
            "model",
            list(inputs),
            [helper.make_tensor_value_info(OUTPUT, FLOAT, ["rows", 1])],
            initializer=self.constants,
        )
        used = {node.domain for node in self.nodes}
        model = helper.make_model(
            graph,
            opset_imports=[
                helper.make_opsetid(domain, version)
                for domain, version in opsets.items()
                if domain in used or domain == "" or opsets is not OPSETS
            ],
            ir_version=ir_version,
            producer_name="slipway",
        )
        onnx.checker.check_model(model)
        return model.SerializeToString(deterministic=True)


class Frame:
    """Columns side by side, some text and some numbers, as scikit-learn passes them from step to step."""

    def __init__(self, parts: Sequence[Part], names: Sequence[str] | None = None):
        self.parts = [part for part in parts if part.width]
        self.names = None if names is None else list(names)

    @property
    def width(self) -> int:
        return sum(part.width for part in self.parts)

    def sources(self) -> list[str | None]:
        return [part.source(i) for part in self.parts for i in range(part.width)]

    def select(self, graph: Graph, positions: Sequence[int]) -> "Frame":
        """Columns by place, in the order given; neighbours of one part stay one part."""
        places = [(part, i) for part in self.parts for i in range(part.width)]
        runs: list[tuple[Part, list[int]]] = []
        for position in positions:
            part, index = places[position]
            if runs and runs[-1][0] is part:
                runs[-1][1].append(index)
            else:
                runs.append((part, [index]))
        names = None if self.names is None else [self.names[p] for p in positions]
        return Frame([_picked(graph, part, indices) for part, indices in runs], names)

    def column(self, graph: Graph, position: int) -> Part:
        return self.select(graph, [position]).parts[0]

    def matrix(self, graph: Graph) -> str:
        """All columns as one double tensor [rows, width]. Raises ValueError for text."""
        text = [part for part in self.parts if part.text]
        if text:
            raise ValueError(
                f"column {text[0].source(0) or 'of text'!r} is text, and this step needs numbers"
            )
        tensors = [part.tensor for part in self.parts]
        return tensors[0] if len(tensors) == 1 else graph.add("Concat", *tensors, axis=1)


def _picked(graph: Graph, part: Part, indices: list[int]) -> Part:
    if indices == list(range(part.width)):
        return part
    chosen = graph.add("Gather", part.tensor, graph.constant(indices, np.int64), axis=1)
    return Part(chosen, len(indices), part.text, tuple(part.source(i) for i in indices))


def numbers(tensor: str, width: int) -> Frame:
    """A frame of one double tensor."""
    return Frame([Part(tensor, width)])
