"""Ask models that Slipway serves, and tell them what turned out.

from slipway_client import Slipway

with Slipway("https://….amazonaws.com/live", auth=token) as slipway:
    churn = slipway.model("churn")
    answers = churn.predict(frame)
    churn.feedback(outcomes, label="left", key="customer")
"""

from slipway_client._auth import IamAuth
from slipway_client._errors import (
    AccessDeniedError,
    AuthenticationError,
    InvalidRequestError,
    NotLiveError,
    Problem,
    RetiredError,
    ServerError,
    SlipwayError,
    ThrottledError,
    UnavailableError,
    UnexpectedReplyError,
    UnknownModelError,
)
from slipway_client._model import Model, Prediction
from slipway_client._slipway import Slipway

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "IamAuth",
    "InvalidRequestError",
    "Model",
    "NotLiveError",
    "Prediction",
    "Problem",
    "RetiredError",
    "ServerError",
    "Slipway",
    "SlipwayError",
    "ThrottledError",
    "UnavailableError",
    "UnexpectedReplyError",
    "UnknownModelError",
]
