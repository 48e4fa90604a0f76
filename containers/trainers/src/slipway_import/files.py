"""A model file by its ending → the fitted object in it."""

from collections.abc import Collection
from pathlib import Path

from slipway_trainer.errors import TrainingInputError

ENDINGS = (
    ".onnx",
    ".json",
    ".ubj",
    ".txt",
    ".cbm",
    ".pt",
    ".pt2",
    ".pth",
    ".pkl",
    ".pickle",
    ".joblib",
)


def imported_file(channel: Path) -> Path:
    """The one file of the channel `import`. Raises TrainingInputError."""
    found = sorted(path for path in channel.rglob("*") if path.is_file())
    if len(found) != 1:
        raise TrainingInputError(f"channel 'import' must hold one file; it has {len(found)}.")
    if found[0].suffix.lower() not in ENDINGS:
        raise TrainingInputError(
            f"{found[0].name} ends in {found[0].suffix!r}; known are {', '.join(ENDINGS)}."
        )
    return found[0]


def load_fitted(path: Path, task: str, own_modules: Collection[str]) -> object:
    """Raises TrainingInputError. Of an ONNX file there is no fitted object."""
    ending = path.suffix.lower()
    if ending in (".pkl", ".pickle", ".joblib"):
        from slipway_import.safe_pickle import load

        return load(path, own_modules)
    try:
        return _LOADERS[ending](path, task)
    except TrainingInputError:
        raise
    except ModuleNotFoundError as error:
        raise TrainingInputError(
            f"{path.name} needs the package {error.name}; add it to the model's requirements.txt."
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise TrainingInputError(
            f"{path.name} cannot be read as a {_KINDS[ending]}: {reason}."
        ) from error


def _xgboost(path: Path, _task: str) -> object:
    import xgboost

    return xgboost.Booster(model_file=str(path))


def _lightgbm(path: Path, _task: str) -> object:
    import lightgbm

    return lightgbm.Booster(model_file=str(path))


def _catboost(path: Path, task: str) -> object:
    import catboost

    model = catboost.CatBoostRegressor() if task == "regression" else catboost.CatBoostClassifier()
    return model.load_model(str(path))


def _torch(path: Path, _task: str) -> object:
    import torch

    try:
        return torch.jit.load(str(path), map_location="cpu")
    except RuntimeError as error:
        raise TrainingInputError(_why_not_torchscript(path)) from error


def _why_not_torchscript(path: Path) -> str:
    import torch

    try:
        weights = torch.load(str(path), map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - whatever it is, it is no TorchScript and is not unpickled
        weights = None
    held = (
        f"holds the weights of {len(weights)} tensors and not the network"
        if isinstance(weights, dict)
        else "is a pickled module"
    )
    return f"{path.name} {held}; save the network with its code: torch.jit.script(model).save('{path.stem}.pt')."


def _exported_program(path: Path, _task: str) -> object:
    import torch

    return torch.export.load(str(path)).module()


_LOADERS = {
    ".json": _xgboost, ".ubj": _xgboost, ".txt": _lightgbm, ".cbm": _catboost, ".pt": _torch, ".pth": _torch,
    ".pt2": _exported_program,
}  # fmt: skip
_KINDS = {
    ".json": "XGBoost model", ".ubj": "XGBoost model", ".txt": "LightGBM model", ".cbm": "CatBoost model",
    ".pt": "TorchScript model", ".pth": "TorchScript model", ".pt2": "PyTorch exported program",
}  # fmt: skip
