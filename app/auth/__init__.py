"""Signing in and out."""

from app.auth import fresh  # noqa: F401 -- its routes
from app.auth.routes import blueprint

__all__ = ["blueprint"]
