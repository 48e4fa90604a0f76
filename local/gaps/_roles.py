"""What a role that a service works with may do."""

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region


def role_allows(role_arn: str, session: str, action: str, resource: str) -> bool:
    """Whether the role's policies allow the action; always so where IAM is not enforced."""
    if not app.AUTH:
        return True
    name = role_arn.rsplit("/", 1)[-1]
    account_id = get_account_id()
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account_id}:assumed-role/{name}/{session}",
        principal_type="AssumedRole",
        principal_account=account_id,
        action=action,
        resource_arn=resource,
        region=get_region(),
        secure_transport=True,
    )
    policies = iam_evaluator._gather_role_policies(name, account_id)
    return iam_evaluator.evaluate(context, policies).decision == "Allow"
