"""Gap: an execution may do what its state machine's role may do.

The bare emulator runs every task whatever the role allows, even where IAM is enforced for all other callers.
"""

from __future__ import annotations

from ministack import app
from ministack.core import iam_evaluator
from ministack.services import stepfunctions as sfn

from gaps.stepfunctions_stop_and_timeout import control

_OPTIMIZED = "arn:aws:states:::"
# The rules through which Step Functions hears of the end of what it waits for.
_MANAGED_RULES = {"sagemaker:createTrainingJob.sync": "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
                  "states:startExecution.sync": "StepFunctionsGetEventsForStepFunctionsExecutionRule"}


def _needs(resource: str, parameters, region: str, account: str) -> list[tuple[str, str]]:
    """Actions and resources that a task needs; none for integrations whose resource cannot be told here."""
    if not resource.startswith(_OPTIMIZED):
        return [("lambda:InvokeFunction", resource)] if ":lambda:" in resource else []
    integration = resource.removeprefix(_OPTIMIZED).removesuffix(".waitForTaskToken").removesuffix(":2")
    parameters = parameters if isinstance(parameters, dict) else {}
    needs = _own(integration.removesuffix(".sync"), parameters, region, account)
    if integration in _MANAGED_RULES:
        rule = f"arn:aws:events:{region}:{account}:rule/{_MANAGED_RULES[integration]}"
        needs += [(f"events:{action}", rule) for action in ("PutTargets", "PutRule", "DescribeRule")]
    return needs


def _own(integration: str, parameters: dict, region: str, account: str) -> list[tuple[str, str]]:
    if integration == "lambda:invoke":
        name = parameters.get("FunctionName", "")
        return [("lambda:InvokeFunction", name if name.startswith("arn:")
                 else f"arn:aws:lambda:{region}:{account}:function:{name}")]
    if integration == "sagemaker:createTrainingJob":
        job = f"arn:aws:sagemaker:{region}:{account}:training-job/{parameters.get('TrainingJobName', '').lower()}"
        tags = [("sagemaker:AddTags", job)] if parameters.get("Tags") else []
        return [("sagemaker:CreateTrainingJob", job), *tags, ("iam:PassRole", parameters.get("RoleArn", ""))]
    if integration == "states:startExecution":
        return [("states:StartExecution", parameters.get("StateMachineArn", ""))]
    if integration == "sns:publish":
        return [("sns:Publish", parameters.get("TopicArn") or parameters.get("TargetArn") or "*")]
    if integration == "sqs:sendMessage":
        return [("sqs:SendMessage", f"arn:aws:sqs:{region}:{account}:{parameters.get('QueueUrl', '').rsplit('/', 1)[-1]}")]
    service, _, action = integration.partition(":")
    if service == "dynamodb":
        table = parameters.get("TableName", "")
        arn = table if table.startswith("arn:") else f"arn:aws:dynamodb:{region}:{account}:table/{table}"
        return [(f"dynamodb:{action[:1].upper()}{action[1:]}", arn)]
    return []


def _service_error(action: str) -> str:
    names = {"lambda": "Lambda.AWSLambdaException", "sagemaker": "SageMaker.AmazonSageMakerException",
             "states": "StepFunctions.AccessDeniedException", "sns": "SNS.AuthorizationErrorException",
             "sqs": "SQS.SqsException", "dynamodb": "DynamoDB.DynamoDbException"}
    return names.get(action.partition(":")[0], "States.Permissions")


def check(role: str, execution_name: str, resource: str, parameters, region: str, account: str) -> None:
    """@raises _ExecutionError as the task's service refuses the role."""
    name = role.rsplit("/", 1)[-1]
    session = f"arn:aws:sts::{account}:assumed-role/{name}/{execution_name}"
    policies = iam_evaluator._gather_role_policies(name, account)
    needs = _needs(resource, parameters, region, account)
    for action, target in needs:
        context = iam_evaluator.EvalContext(
            principal_arn=session, principal_type="AssumedRole", principal_account=account, action=action,
            resource_arn=target, region=region, secure_transport=True,
            service_context={"iam:passedtoservice": "sagemaker.amazonaws.com"} if action == "iam:PassRole" else {})
        decision = iam_evaluator.evaluate(context, policies)
        if decision.decision != "Allow":
            raise sfn._ExecutionError(
                _service_error(needs[0][0]),
                f"User: {session} is not authorized to perform: {action} on resource: {target} because no "
                f"identity-based policy allows the {action} action")


def install() -> None:
    for name in ("_gather_role_policies", "evaluate", "EvalContext"):
        if not hasattr(iam_evaluator, name):
            raise RuntimeError(f"MiniStack's iam_evaluator has no {name}: the pinned version changed.")
    invoke, invoke_with_callback = sfn._invoke_resource, sfn._invoke_with_callback

    def authorize(resource, parameters) -> None:
        here = control()
        if here.role and app.AUTH:
            check(here.role, here.name, resource, parameters, sfn.get_region(), sfn.get_account_id())

    def invoke_as_role(resource, parameters):
        authorize(resource, parameters)
        return invoke(resource, parameters)

    def invoke_with_callback_as_role(resource, parameters, *rest):
        authorize(resource, parameters)
        return invoke_with_callback(resource, parameters, *rest)

    sfn._invoke_resource = invoke_as_role
    sfn._invoke_with_callback = invoke_with_callback_as_role
