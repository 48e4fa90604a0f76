"""IAM compares a log group by its ARN with the streams in it, `…:log-group:<name>:log-stream:`.

So a policy names a group as `…:log-group:<name>:*`, the ARN that CloudWatch Logs itself gives. MiniStack compares
`…:log-group:<name>`: a role that may write on AWS is refused, and one that names the bare ARN is let through.
"""

import re

from ministack.core import iam_evaluator

_GROUP = re.compile(r"arn:[^:]+:logs:[^:]*:[^:]*:log-group:[^:*]+")


def install() -> None:
    """Complete the ARN before it is compared."""
    enforce = iam_evaluator.enforce

    def enforce_streams(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
        if service == "logs" and _GROUP.fullmatch(resource_arn or ""):
            resource_arn = f"{resource_arn}:log-stream:"
        return enforce(access_key_id, iam_action, service, region, resource_arn, service_context)

    iam_evaluator.enforce = enforce_streams
