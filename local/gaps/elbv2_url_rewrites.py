"""Gap: a rule of a load balancer rewrites the address of a request before it forwards it.

MiniStack keeps a rule's transforms and says them again, and forwards requests as they came.
"""

import re

from ministack.services import alb


def _rule_of(actions: list) -> dict:
    """The rule whose actions these very ones are; a listener's own have none."""
    return next((rule for rule in alb._rules.values() if rule.get("Actions") is actions), {})


def _rewritten(rule: dict, path: str) -> str:
    for transform in rule.get("Transforms") or []:
        for rewrite in (transform.get("UrlRewriteConfig") or {}).get("Rewrites", []):
            # $1 is the first group, as in most languages but Python.
            path = re.sub(rewrite["Regex"], re.sub(r"\$(\d)", r"\\\1", rewrite["Replace"]), path, count=1)
    return path


def install() -> None:
    """Patch what is done for a rule that matches."""
    execute = alb._execute_actions

    async def execute_rewritten(actions, method, path, headers, body, query_params, *args, raw_path=None, **more):
        rule = _rule_of(actions)
        raw_path = _rewritten(rule, raw_path) if raw_path else None
        return await execute(actions, method, _rewritten(rule, path), headers, body, query_params, *args,
                             raw_path=raw_path, **more)

    alb._execute_actions = execute_rewritten
