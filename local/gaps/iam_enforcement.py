"""IAM decides: every signature is verified and every caller's policies are evaluated.

MiniStack can do most of it, but only when started with AUTH=true. A Lambda then calls with a session of its
execution role, so an action missing from a role fails here as it would on AWS. Two things are added: the
account's own key is verified like any other, and a body that is not the one that was signed is refused.

One thing is laxer than AWS: a role that nobody created is not refused and may do everything. A stack creates
the roles it names, so only an experiment that made one up notices.
"""

import contextvars
import hashlib
import hmac
import os
import re

from ministack import app
from ministack.core import iam_evaluator, sigv4

# What local/cloud.ts gives the account's own clients.
_ACCOUNT_SECRET = "laptop-cloud"
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
        return failure(signature, secret, method, path, query, headers, body, **kwargs)

    sigv4.header_signature_failure = failure_of_signature_or_body


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
