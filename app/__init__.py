"""The portal: the factory puts settings, extensions, views and headers together."""

from flask import Flask

from app import (
    account,
    admin,
    auth,
    errors,
    extensions,
    language,
    limits,
    portal,
    presentation,
    public,
    security,
    waivers,
)
from app.theme import require_theme
from core import runtime
from core.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Make the portal.

    settings: read from the environment when not given. A wrong one, or a theme that does not do, ends
    the process with a sentence.
    """
    if settings is None:
        settings = runtime.start(keep_connections=True)
    else:
        runtime.prepare(settings, keep_connections=True)
    theme = require_theme(settings.theme_dir)
    app = Flask(__name__)
    app.url_map.merge_slashes = False  # its redirects would take the Host header's word
    app.extensions["waypost_settings"] = settings
    security.configure(app, settings)
    extensions.init_app(app)
    language.init_app(app)
    presentation.init_app(app, settings, theme)
    app.register_blueprint(public.blueprint)
    app.register_blueprint(auth.blueprint)
    app.register_blueprint(portal.blueprint)
    app.register_blueprint(account.blueprint)
    app.register_blueprint(waivers.blueprint)
    app.register_blueprint(admin.blueprint)
    errors.init_app(app)
    limits.init_app(app, settings)
    return app
