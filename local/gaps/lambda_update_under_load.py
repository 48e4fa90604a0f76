"""Gap: an update or removal of a function lets its running invocations end.

The bare emulator kills their processes, so that every deployment fails the requests that are being answered.
"""

from ministack.core import lambda_runtime
from ministack.services import lambda_svc


def _belongs(key: str, function: str, qualifier, account, region) -> bool:
    """Keys are account:region:function:qualifier; what is not named matches any."""
    wanted = (account, region, function, qualifier)
    return all(want is None or want == part for want, part in zip(wanted, key.split(":"), strict=True))


def invalidate(func_name, qualifier=None, account=None, region=None) -> None:
    """Takes the function's environments out of use: idle ones end now, busy ones after their invocation."""
    idle = []
    with lambda_runtime._lock:
        for key in [key for key in lambda_runtime._workers if _belongs(key, func_name, qualifier, account, region)]:
            for worker in lambda_runtime._workers.pop(key):
                worker.retired = True
                if not worker.in_use:
                    idle.append(worker)
    lambda_runtime.kill_workers(idle)


def install() -> None:
    for module in (lambda_runtime, lambda_svc):
        for name in ("invalidate_worker", "release_worker"):
            if not hasattr(module, name):
                raise RuntimeError(f"MiniStack's {module.__name__} has no {name}: the pinned version changed.")
    release = lambda_runtime.release_worker

    def release_or_end(worker) -> None:
        release(worker)
        if getattr(worker, "retired", False):
            lambda_runtime.kill_workers([worker])

    for module in (lambda_runtime, lambda_svc):
        module.invalidate_worker = invalidate
        module.release_worker = release_or_end
