"""How the portal is served. PORT, WEB_CONCURRENCY and WEB_BIND may change it from outside."""

import gc
import os

from app.theme import require_theme
from core import runtime

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 8
bind = os.environ.get("WEB_BIND") or f"127.0.0.1:{os.environ.get('PORT', '8000')}"
timeout = 30
forwarded_allow_ips = ""  # links come from PUBLIC_URL, never from a header
accesslog = None  # a request's path may hold a verification token


def on_starting(_server):
    """Look at settings, theme and tables in the master: a worker that ends for them is started for ever."""
    settings = runtime.start()
    runtime.require_tables()
    require_theme(settings.theme_dir)


def post_worker_init(_worker):
    """Let the garbage collector pass over what is loaded now: it stays, and is a lot to look at."""
    gc.collect()
    gc.freeze()
