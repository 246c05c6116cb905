"""The pages for everybody: front page, domains, help, privacy, and the theme's files."""

from app.public import dns
from app.public.routes import blueprint

__all__ = ["blueprint", "dns"]
