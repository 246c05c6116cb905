"""Signing in and out."""

from app.auth.routes import blueprint

__all__ = ["blueprint"]
