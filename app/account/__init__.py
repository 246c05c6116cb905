"""My data: what is stored about a person, and what they may do about it."""

from app.account.routes import blueprint

__all__ = ["blueprint"]
