"""Cookies, and the headers on every answer."""

from urllib.parse import urlsplit

from flask import Flask, Response, request

from app.extensions import FILES
from core.secrets import derive_key
from core.settings import Settings

MAX_FORM = 128 * 1024  # octets; an OpenID answer may have 64 KiB

PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in "camera display-capture fullscreen geolocation microphone payment usb".split()
)
"""The portal uses none of these, and neither may anything in it."""


def cookie_name(settings: Settings, name: str) -> str:
    """Name a cookie so that a browser takes it from this host by https only; plain on loopback."""
    return f"__Host-{name}" if settings.secure_cookies else name


def configure(app: Flask, settings: Settings) -> None:
    """Set the cookie and form rules, and add the headers."""
    app.config.update(
        SECRET_KEY=derive_key(settings.secret_key, "portal cookies"),
        SESSION_COOKIE_NAME=cookie_name(settings, "waypost"),
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        MAX_CONTENT_LENGTH=MAX_FORM,
        MAX_FORM_MEMORY_SIZE=MAX_FORM,
        WTF_CSRF_SSL_STRICT=False,  # the token decides; Host and Referer are what a proxy makes of them
        WTF_CSRF_TIME_LIMIT=None,  # a form lives as long as its session
        SEND_FILE_MAX_AGE_DEFAULT=365 * 86400,  # the address of a file changes with its content
    )
    policy = content_security_policy(settings)

    @app.after_request
    def add_headers(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", policy)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", PERMISSIONS)
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if settings.secure_cookies:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if request.endpoint not in FILES or response.status_code >= 400:
            headers["Cache-Control"] = "no-store"
            response.vary.add("HX-Request")
        return response


def content_security_policy(settings: Settings) -> str:
    """Allow what is ours, and forms that lead on to Ubuntu One; a page leads to an OIDC provider."""
    ubuntu_one = urlsplit(settings.openid_endpoint)
    provider = "" if settings.oidc_issuer else f" {ubuntu_one.scheme}://{ubuntu_one.netloc}"
    return (
        "default-src 'self'; img-src 'self' data:; "
        f"form-action 'self'{provider}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
