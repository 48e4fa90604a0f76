"""Pickles and joblib files, of which only classes of known libraries are ever called.

A pickle is a program: it names functions and has them called. The file is read twice. First with every name
replaced by something inert, so that all its names are known and judged before anything of it runs; then with
the classes themselves, and each name is judged again.
"""

import importlib
import pickle
import warnings
from collections.abc import Collection
from pathlib import Path

import joblib.numpy_pickle as joblib_pickle
import numpy as np
from joblib.numpy_pickle_utils import _validate_fileobject_and_memmap

from slipway_trainer.errors import TrainingInputError

# Where the classes are defined that a fitted estimator is made of. Not whole libraries: pandas evaluates
# expressions, SciPy's distributions and PyTorch's graphs write code and run it, NumPy's memmap opens files.
HOMES = (
    "sklearn", "imblearn", "category_encoders", "numpy.random", "numpy.dtypes", "numpy.ma", "scipy.sparse", "scipy.interpolate",
    "scipy.spatial", "pandas.core.frame", "pandas.core.series", "pandas.core.indexes", "pandas.core.internals",
    "pandas.core.arrays", "pandas.core.dtypes.dtypes", "pandas._libs.internals", "pandas._libs.tslibs",
    "xgboost.core.Booster", "xgboost.sklearn", "lightgbm.basic.Booster", "lightgbm.sklearn", "catboost.core", "_catboost",
)  # fmt: skip

# Parts of scikit-learn and its kin that open files or start processes.
HARMFUL_PARTS = frozenset(
    "datasets _testing testing tests externals parallel _parallel fixes".split()
)

# What builds an object from plain data, by the names that libraries have given it over the years.
BUILDERS = (
    "numpy._core.multiarray._reconstruct", "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar", "numpy.core.multiarray.scalar",
    "numpy._core.numeric._frombuffer", "numpy.core.numeric._frombuffer",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "numpy.ma.core._mareconstruct", "numpy.random._pickle.__randomstate_ctor", "numpy.random._pickle.__generator_ctor",
    "numpy.random._pickle.__bit_generator_ctor",
    "pandas._libs.tslibs.timestamps._unpickle_timestamp", "pandas._libs.tslibs.timedeltas._timedelta_unpickle",
    "pandas._libs.tslibs.nattype._nat_unpickle", "pytz._UTC", "pytz._p", "zoneinfo.ZoneInfo._unpickle",
    "pandas._libs.internals._unpickle_block", "pandas.core.indexes.base._new_Index",
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked",
    "sklearn.metrics._dist_metrics.newObj", "sklearn.neighbors._ball_tree.newObj", "sklearn.neighbors._kd_tree.newObj",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
    "copyreg._reconstructor", "copyreg.__newobj__", "_codecs.encode",
)  # fmt: skip

PLAIN_CLASSES = (
    "builtins.object", "builtins.list", "builtins.dict", "builtins.tuple", "builtins.set", "builtins.frozenset",
    "builtins.int", "builtins.float", "builtins.bool", "builtins.str", "builtins.bytes", "builtins.bytearray",
    "builtins.complex", "builtins.slice", "builtins.range", "collections.OrderedDict", "collections.defaultdict",
    "collections.deque", "collections.Counter", "datetime.datetime", "datetime.date", "datetime.timedelta",
    "datetime.timezone", "decimal.Decimal", "uuid.UUID",
)  # fmt: skip


class RefusedGlobal(TrainingInputError):
    """The file names something that is not called here."""


def load(path: Path, own_modules: Collection[str] = ()) -> object:
    """What the file holds. `own_modules`: modules of the model's own program, whose classes are its reviewed code.

    Raises RefusedGlobal naming module and name, or TrainingInputError for a file that cannot be read.
    """
    _read(path, _Inert, own_modules)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        loaded = _read(path, None, own_modules)
    other = [w.message for w in said if type(w.message).__name__ == "InconsistentVersionWarning"]
    if other:
        raise TrainingInputError(
            f"{path.name} was made with scikit-learn {other[0].original_sklearn_version} and the model's environment has "
            f"{other[0].current_sklearn_version}; write scikit-learn=={other[0].original_sklearn_version} in requirements.txt."
        )
    return loaded


class _Inert:
    """Takes everything that a pickle does to an object, and does nothing."""

    def __new__(cls, *_arguments: object, **_named: object) -> "_Inert":
        return object.__new__(cls)

    def __init__(self, *_arguments: object, **_named: object) -> None:
        """Nothing."""

    def __call__(self, *_arguments: object, **_named: object) -> "_Inert":
        return _Inert()

    def __setstate__(self, _state: object) -> None:
        """Nothing."""

    def __setitem__(self, _key: object, _value: object) -> None:
        """Nothing."""

    append = extend = add = update = __call__


class _ArrayWrapper(joblib_pickle.NumpyArrayWrapper):
    """joblib's, with an array of objects read by the careful reader too: older releases read it by pickle's own."""

    def read(self, unpickler: "_Unpickler", *_options: object) -> object:
        if self.dtype.hasobject:
            inner = _Unpickler(unpickler.file_handle, unpickler.stand_in, unpickler.own_modules)
            return inner.load()
        array = self.read_array(unpickler, False)
        return _Inert() if unpickler.stand_in else array


class _Unpickler(joblib_pickle.NumpyUnpickler):
    """Pickle's reader in Python, so that every name passes `find_class`; joblib's, for its arrays."""

    dispatch = joblib_pickle.NumpyUnpickler.dispatch.copy()

    def __init__(self, file: object, stand_in: type | None, own_modules: Collection[str]):
        super().__init__("", file, False)
        self.stand_in = stand_in
        self.own_modules = own_modules

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return _ArrayWrapper
        found = _judged(module, name, self.own_modules)
        # A dtype is needed to know how long an array is; it is made of plain data.
        return found if self.stand_in is None or found is np.dtype else self.stand_in

    def persistent_load(self, _identity: object) -> object:
        raise TrainingInputError(
            "the file keeps a part of itself elsewhere, as torch.save does; save a network with "
            "torch.jit.script(model).save('model.pt')."
        )

    def _no_extension(self) -> None:
        raise RefusedGlobal(
            "the file names something by a number of copyreg's registry, which is not known here."
        )

    for _code in (pickle.EXT1, pickle.EXT2, pickle.EXT4):
        dispatch[_code[0]] = _no_extension


def _read(path: Path, stand_in: type | None, own_modules: Collection[str]) -> object:
    try:
        with (
            open(path, "rb") as file,
            _validate_fileobject_and_memmap(file, str(path), None) as (opened, _),
        ):
            if isinstance(opened, str):
                raise TrainingInputError(
                    f"{path.name} was written by joblib before 0.10; write it again with a newer one."
                )
            return _Unpickler(opened, stand_in, own_modules).load()
    except TrainingInputError:
        raise
    except ModuleNotFoundError as error:
        raise TrainingInputError(
            f"{path.name} needs the package {error.name}; add it to the model's requirements.txt, in the release that the "
            "file was made with."
        ) from error
    except Exception as error:
        raise TrainingInputError(
            f"{path.name} cannot be read as a pickle or joblib file ({type(error).__name__}: {error}); was it made with "
            "the packages of the model's requirements.txt?"
        ) from error


def _judged(module: str, name: str, own_modules: Collection[str]) -> object:
    """The class or builder of that name. Raises RefusedGlobal."""
    full = f"{module}.{name}"
    if full in BUILDERS or full in PLAIN_CLASSES:
        return _resolved(module, name)
    top = module.split(".")[0]
    if top in {home.split(".")[0] for home in HOMES} or module in own_modules:
        found = _resolved(module, name)
        if _is_known_class(found, own_modules) or isinstance(found, np.ufunc):
            return found
        # Cython's classes are built by functions of this name from plain data.
        if name.startswith("__pyx_unpickle_") and not HARMFUL_PARTS & set(module.split(".")):
            return found
    raise RefusedGlobal(
        f"the file names {full}, and loading it would call that: only estimators of scikit-learn, XGBoost, LightGBM "
        "and CatBoost, what they are made of, and classes of the model's own train.py are. "
        + _fix(module, full)
    )


def _is_known_class(found: object, own_modules: Collection[str]) -> bool:
    """Where a class is defined counts, not through which module it is named."""
    if not isinstance(found, type):
        return False
    if found in (np.ndarray, np.dtype) or issubclass(found, np.generic):
        return True
    home = found.__module__ or ""
    full = f"{home}.{found.__qualname__}."
    known = any(full.startswith(f"{each}.") for each in HOMES)
    return home in own_modules or (known and not HARMFUL_PARTS & set(full.split(".")))


def _fix(module: str, full: str) -> str:
    if module.split(".")[0] == "torch":
        return "Save a network with torch.jit.script(model).save('model.pt')."
    if module == "__main__":
        return f"{full} was defined in a notebook: put it into train.py, import it from there and save the model again."
    return "Save the fitted estimator alone, or as ONNX; where the file comes from somebody else, do not load it anywhere."


def _resolved(module: str, name: str) -> object:
    found: object = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found
