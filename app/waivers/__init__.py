"""Waivers: the pages on which a person asks for something beyond the rules."""

from app.waivers.routes import blueprint

__all__ = ["blueprint"]
