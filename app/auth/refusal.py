"""How a sign-in provider's answer is refused, whichever way the provider speaks."""

from enum import StrEnum


class Refusal(StrEnum):
    """Why an answer let nobody in."""

    CANCELLED = "cancelled"
    NOT_VALID = "not-valid"
    NO_ANSWER = "no-answer"
    """The provider could not be asked: trying again may help."""
    REFUSED_US = "refused-us"
    """The provider does not take this portal as it is set up: the operator must look."""


class OpenIDRefused(Exception):
    """The answer was not accepted; nothing was created.

    The text is for the log and holds no personal data.
    """

    def __init__(self, refusal: Refusal, why: str) -> None:
        super().__init__(why)
        self.refusal = refusal
