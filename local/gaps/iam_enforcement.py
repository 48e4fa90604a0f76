"""IAM decides: every signature is verified and every caller's policies are evaluated.

MiniStack can do most of it, but only when started with AUTH=true. A Lambda then calls with a session of its
execution role, so an action missing from a role fails here as it would on AWS. Three things are added: the
account's own key is verified like any other, a Deny of a resource's policy binds it too, and a body that is
not the one that was signed is refused.

Two things are laxer than AWS. Every request counts as sent over TLS, since this cloud is plain HTTP on the
machine's own loopback: a policy that denies insecure transport stays as it is deployed. And a role that
nobody created is not refused and may do everything: a stack creates the roles it names, so only an
experiment that made one up notices.
"""

import contextvars
import hashlib
import hmac
import os
import re

from ministack import app
from ministack.core import iam_actions, iam_evaluator, sigv4
from ministack.core.responses import get_account_id

# What local/cloud.ts gives the account's own clients.
_ACCOUNT_SECRET = "laptop-cloud"
_ALWAYS_THE_OWNERS = {"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"}
_SHA256 = re.compile(r"[0-9a-f]{64}")

_pinning = contextvars.ContextVar("slipway_pinning", default=False)


def install() -> None:
    """Switch MiniStack's enforcement on and close the two holes it leaves."""
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", _ACCOUNT_SECRET)
    if not isinstance(app.AUTH, bool):
        raise RuntimeError("ministack.app.AUTH is no longer the switch of the enforcement")
    app.AUTH = True
    _verify_the_account_key()
    _verify_the_body()
    _bind_the_account_to_denials()
    _check_each_deleted_version()
    _count_loopback_as_secure()
    _let_made_up_roles_pass()
    _take_loopback_for_tls()


def _verify_the_account_key() -> None:
    # pin_signed_request keeps a request for verification unless its key is a root key.
    pin = iam_evaluator.pin_signed_request
    is_root_key = iam_evaluator._is_root_key

    def pin_every_request(*args, **kwargs):
        token = _pinning.set(True)
        try:
            pin(*args, **kwargs)
        finally:
            _pinning.reset(token)

    def is_root_key_unless_pinning(access_key_id):
        return not _pinning.get() and is_root_key(access_key_id)

    iam_evaluator._is_root_key = is_root_key_unless_pinning
    iam_evaluator.pin_signed_request = pin_every_request
    # The application imported it by name.
    if app.pin_signed_request is not pin:
        raise RuntimeError("ministack.app no longer pins requests with iam_evaluator.pin_signed_request")
    app.pin_signed_request = pin_every_request


def _verify_the_body() -> None:
    # MiniStack signs over the hash that the client claims; AWS also hashes what arrived.
    failure = sigv4.header_signature_failure

    def failure_of_signature_or_body(signature, secret, method, path, query, headers, body, **kwargs):
        claimed = headers.get("x-amz-content-sha256", "")
        if _SHA256.fullmatch(claimed) and not hmac.compare_digest(claimed, hashlib.sha256(body).hexdigest()):
            if signature.service == "s3":
                return "XAmzContentSHA256Mismatch", (
                    "The provided 'x-amz-content-sha256' header does not match what was computed."
                )
            return "SignatureDoesNotMatch", sigv4.SIGNATURE_MISMATCH
        # Over HTTP/2, which the Kinesis client speaks, :authority is signed; the server calls it host.
        if ":authority" in signature.signed_headers.split(";"):
            headers = {":authority": headers.get("host", ""), **headers}
        return failure(signature, secret, method, path, query, headers, body, **kwargs)

    sigv4.header_signature_failure = failure_of_signature_or_body


def _bind_the_account_to_denials() -> None:
    enforce = iam_evaluator.enforce

    def enforce_denials(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
        refusal = enforce(access_key_id, iam_action, service, region, resource_arn, service_context)
        if refusal or not access_key_id or not iam_evaluator.is_root_access_key(access_key_id):
            return refusal
        # The owner can always repair a bucket policy that locks everybody out.
        if iam_action in _ALWAYS_THE_OWNERS:
            return None
        found = iam_evaluator._resource_policy(service, resource_arn)
        if found is None:
            return None
        account_id = get_account_id()
        context = iam_evaluator.EvalContext(
            principal_arn=f"arn:aws:iam::{account_id}:root",
            principal_type="Root",
            principal_account=account_id,
            action=iam_action,
            resource_arn=resource_arn,
            region=region,
            service_context={key.lower(): value for key, value in (service_context or {}).items()},
        )
        decision = iam_evaluator.evaluate_resource_policy(found[0], context)
        if decision.decision != "Deny":
            return None
        decision.principal_arn = context.principal_arn
        decision.resource_policy_arn = resource_arn
        return decision

    iam_evaluator.enforce = enforce_denials


def _check_each_deleted_version() -> None:
    # MiniStack takes the first entry of DeleteObjects for a DeleteObject even when it names a version.
    checks = iam_actions.s3_additional_checks

    def checks_with_first_version(method, path, headers, body, query_params):
        found = checks(method, path, headers, body, query_params)
        bucket, _slash, key = path.strip("/").partition("/")
        if method == "POST" and bucket and not key and "delete" in query_params:
            for arn, version_id in iam_actions._s3_batch_delete_targets(bucket, body)[:1]:
                if version_id:
                    found = [("s3:DeleteObjectVersion", arn), *found]
        return found

    iam_actions.s3_additional_checks = checks_with_first_version


def _count_loopback_as_secure() -> None:
    pin = iam_evaluator.pin_request_origin
    if app.pin_request_origin is not pin:
        raise RuntimeError("ministack.app no longer pins origins with iam_evaluator.pin_request_origin")
    app.pin_request_origin = lambda source_ip, _secure_transport: pin(source_ip, True)


def _let_made_up_roles_pass() -> None:
    from ministack.services import iam

    gather = iam_evaluator._gather_role_policies
    everything = iam_evaluator.parse_policy_document(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    )

    def gather_or_allow(role_name, account_id):
        exists = iam._roles.get_scoped(account_id, None, role_name) is not None
        return gather(role_name, account_id) if exists else [everything]

    if not callable(iam_evaluator.validate_role_arn):
        raise RuntimeError("iam_evaluator.validate_role_arn is gone")
    iam_evaluator.validate_role_arn = lambda role_arn: None
    iam_evaluator._gather_role_policies = gather_or_allow


def _take_loopback_for_tls() -> None:
    # Nothing leaves the machine, and there is no certificate: policies that refuse plain HTTP
    # (aws:SecureTransport) would refuse every request.
    pin = app.pin_request_origin

    def pin_as_tls(source_ip, secure_transport):
        pin(source_ip, secure_transport or source_ip in ("127.0.0.1", "::1"))

    app.pin_request_origin = pin_as_tls
