"""The contributor's pages."""

from app.portal.routes import blueprint

__all__ = ["blueprint"]
