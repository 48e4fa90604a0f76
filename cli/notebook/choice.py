"""Which table, which model and which predictions of a notebook are meant."""

import ast

from cells import NotebookError
from find import calls, method
from names import base, free
from slices import Slices


OTHER_TABLES = frozenset("polars dask modin pyspark cudf vaex".split())


class Choice:
    """The table that is read, the model that is fitted, and the expression that asks it."""

    other_models = frozenset()

    def __init__(self, program, table):
        self.program = program
        self.label = table["label"]
        self.classifies = table["classifies"]
        self.left_out = program.left_out
        self.notes = program.notes
        self.slices = Slices(program)
        self.reading()
        self.choose()

    def reading(self):
        if not self.slices.reads:
            raise NotebookError(
                "no cell reads a table into a name, as df = pd.read_csv('data.csv') does; "
                "tag the cell that does with slipway:data"
            )

    def settle_reading(self):
        """The table that the model comes from; the last one, where the notebook reads it more than once."""
        behind = [fact for fact in self.training if fact in self.slices.reads]
        if not behind:
            # A name that comes later hides the table it is made of: then that is what has to be told.
            self.program.refuse_undefined(set(self.training))
            [fact, *_] = self.slices.reads
            name, _ = self.slices.reads[fact]
            raise NotebookError(
                f"the model {self.model} does not come from the table that cell {fact.statement.cell} reads into {name}; "
                "tag the cell that reads the data with slipway:data"
            )
        self.read = behind[-1]
        _, self.read_call = self.slices.reads[self.read]
        self.frames = {name for name, _ in self.slices.reads.values()}
        library = self.module_of(base(self.read_call.func))
        if library in OTHER_TABLES:
            place = self.read.statement
            raise NotebookError(
                f"cell {place.cell}, line {place.line} reads with {library}, and train() is given a pandas DataFrame; read "
                "with pandas there, or write train.py yourself (--python)"
            )

    def module_of(self, name):
        for fact in self.slices.facts:
            if isinstance(fact.node, ast.Import):
                for alias in fact.node.names:
                    if name == (alias.asname or alias.name.split(".")[0]):
                        return alias.name.split(".")[0]
        return None

    def choose(self):
        """The model: the one whose predictions are written to a file, or the last one that is fitted."""
        finder = self.slices.finder
        fitted = finder.fitted()
        tagged = [each for each in fitted if each[0].statement.tag == "model"]
        fitted = tagged or fitted
        if not fitted:
            raise NotebookError(
                "no model is fitted to a label: there is no .fit(X, y), no train(…) of XGBoost or LightGBM and no "
                "loop with .backward(); tag the cell that trains with slipway:model, or write train.py "
                "yourself (--python)"
            )
        written = finder.written_predictions()
        self.model = fitted[-1][1]
        self.prediction = None
        if written:
            fact, expression = written
            immediate, late, _ = free(expression)
            kept, _ = self.slices.backward(self.slices.facts.index(fact), immediate | late)
            behind = [name for each, name in fitted if each in kept]
            if behind:
                self.model = behind[-1]
                self.prediction = written
        if self.prediction is None:
            self.prediction = finder.last_prediction(self.model)
        self.of_training = self.prediction is None
        if self.of_training:
            self.prediction = self.asked_as_trained(fitted)
        self.other_models = {name for _, name in fitted} - {self.model}

    def asked_as_trained(self, fitted):
        """Where the notebook asks the model nothing: what the rows of training would be answered."""
        fact = [each for each, name in fitted if name == self.model][-1]
        for call in calls(fact.node):
            if method(call) == "fit" and call.args:
                asked = f"{self.model}.predict_proba({ast.unparse(call.args[0])})[:, 1]"
                if not self.classifies:
                    asked = f"{self.model}.predict({ast.unparse(call.args[0])})"
                return fact, ast.parse(asked, mode="eval").body
        return None
