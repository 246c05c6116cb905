"""Every setting of Waypost, read from the environment once at the start of a process.

`docs/settings.md` lists the same variables for operators; a test holds the two together.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.addresses import AddressError, parse_address, to_ascii_domain

MIN_SECRET = 32
TOGETHER = (
    ("relay_tls_certificate", "relay_tls_key"),
    ("smarthost_user", "smarthost_password"),
    ("oidc_issuer", "oidc_client_id"),
)
"""Settings of which both or neither are set."""


class SettingsError(Exception):
    """A setting is missing or senseless; the text names it and says what to do."""


def _comma_list(value: object) -> object:
    """Turn `a, b` of an environment variable into a list."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


CommaList = Annotated[list[str], NoDecode, BeforeValidator(_comma_list)]


class Settings(BaseSettings):
    """One field a variable; the variable's name is the field's in upper case."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, frozen=True)

    secret_key: str = Field(
        repr=False, description="Signs cookies, forms and verification links. 32 characters or more."
    )
    record_secret: str = Field(
        repr=False,
        description="Keys the audit chain and the hashes of erased people, and seals the signing keys. Never "
        "change it.",
    )
    srs_secrets: CommaList = Field(
        repr=False, description="Key the SRS addresses: the first signs, all of them verify. Comma separated."
    )
    public_url: str = Field(
        description="The portal's address as people see it. https, or http on loopback only."
    )
    database_url: str = Field(
        repr=False, description="`sqlite:///path/to/waypost.db` or `postgresql://user:password@host/name`."
    )
    srs_domain: str = Field(description="Domain of the rewritten envelope senders; its MX is this relay.")
    relay_hostname: str = Field(description="The relay's own host name, in its greeting and its HELO.")
    ops_address: str = Field(description="Where problems are reported to; also stands in for missing admins.")
    mail_from: str = Field(description="From address of the mail that Waypost writes itself.")

    redis_url: str | None = Field(
        repr=False,
        default=None,
        description="Redis or Valkey for jobs. Without it the `broker` process embeds a Valkey.",
    )
    state_dir: Path = Field(
        default=Path("var"), description="Folder for the embedded broker's socket and data."
    )
    relay_socket: Path = Field(
        default=Path("var/relay.sock"),
        description="Unix socket (mode 0600) on which jobs and portal hand their own mail to the relay.",
    )
    relay_listen: CommaList = Field(
        default=["0.0.0.0:25"],
        description="Addresses and ports on which the relay takes mail. Comma separated.",
    )
    relay_tls_certificate: Path | None = Field(
        default=None, description="PEM file with the relay's certificate chain; turns STARTTLS on."
    )
    relay_tls_key: Path | None = Field(
        default=None, description="PEM file with the private key of that certificate."
    )
    message_size_limit: int = Field(
        default=50 * 1024 * 1024, ge=64 * 1024, description="Largest message the relay takes, in octets."
    )
    smarthost: str | None = Field(
        default=None,
        description="`host:port` to which the relay hands everything. Without it, it looks up MX records.",
    )
    smarthost_user: str | None = Field(
        default=None, description="User name at the smarthost, if it wants one."
    )
    smarthost_password: str | None = Field(
        default=None,
        repr=False,
        description="Password at the smarthost. Only sent inside TLS, or on loopback.",
    )
    delivery_tls: Literal["opportunistic", "encrypt", "verify"] = Field(
        default="opportunistic",
        description="How to speak to other servers or the smarthost: `opportunistic` (TLS where it is "
        "offered), `encrypt` (TLS or nothing), `verify` (TLS with a valid certificate or nothing).",
    )
    relay_processes: int = Field(
        default=0, ge=0, le=256, description="Processes of the relay; 0 means one a core."
    )
    relay_memory_limit: int = Field(
        default=256 * 1024 * 1024,
        ge=1024 * 1024,
        description="Memory for messages in flight in one process of the relay, in octets. Past it, 452.",
    )
    relay_connection_limit: int = Field(
        default=1000, ge=1, description="Connections that one process of the relay takes at once."
    )
    relay_client_connection_limit: int = Field(
        default=20, ge=1, description="The same from one client (an IPv4 address or an IPv6 /64)."
    )
    relay_trusted_networks: CommaList = Field(
        default=["127.0.0.0/8", "::1/128"],
        description="Networks whose hosts have no limits of their own at the relay, as a Postfix in front.",
    )
    mail_authentication: Literal["enforce", "mark", "off"] = Field(
        default="enforce",
        description="`enforce` refuses mail which its author's domain asks to refuse (DMARC), `mark` only "
        "says so in the header, `off` checks and seals nothing, for a relay behind a server that does.",
    )
    trusted_sealers: CommaList = Field(
        default=[],
        description="Domains whose ARC seals vouch for mail that fails DMARC. Comma separated.",
    )
    trusted_lists: CommaList = Field(
        default=[],
        description="Domains of mailing lists whose mail passes although it fails DMARC. Comma separated.",
    )
    trusted_upstreams: CommaList = Field(
        default=[],
        description="Networks of your own servers that pass mail on to the relay, such as a backup MX: the "
        "sender's address is then read from their Received fields. Comma separated.",
    )
    dmarc_overrides: CommaList = Field(
        default=[],
        description="`domain=none|quarantine|reject`: the strictest DMARC policy that is followed for an "
        "author's domain and what is below it. Comma separated.",
    )
    srs_max_age_days: int = Field(
        default=21, ge=1, le=500, description="How many days a rewritten envelope sender leads back."
    )
    delivery_port: int = Field(
        default=25, ge=1, le=65535, description="Port of other mail servers. Anything but 25 is for tests."
    )
    resolver: str | None = Field(
        default=None, description="`address:port` of the DNS resolver. Without it, the system's resolvers."
    )
    portal_proxies: CommaList = Field(
        default=["127.0.0.0/8", "::1/128"],
        description="Networks of the reverse proxies before the portal: what they write into X-Forwarded-For "
        "is believed, and only used to count how often somebody comes. Comma separated.",
    )
    project_name: str = Field(default="Waypost", description="Name of the project, shown on every page.")
    theme_dir: Path | None = Field(
        default=None, description="Folder with the project's own logo, colours and words: docs/theme.md."
    )
    contact_mail: str | None = Field(
        default=None,
        description="Where contributors write for help, on the help page. Without it, OPS_ADDRESS.",
    )
    contact_matrix: str | None = Field(
        default=None, description="Matrix room for help, as `#room:example.org`; shown on the help page."
    )
    contact_web: str | None = Field(
        default=None, description="Web page or forum for help, shown on the help page."
    )
    openid_provider_url: str = Field(
        default="https://login.ubuntu.com/", description="OP identifier of Ubuntu One."
    )
    openid_endpoint: str = Field(
        default="https://login.ubuntu.com/+openid", description="The only OpenID endpoint that is believed."
    )
    openid_claimed_id_prefix: str = Field(
        default="https://login.ubuntu.com/+id/", description="Every claimed id must begin with this."
    )
    openid_email_proven: bool = Field(
        default=False,
        description="Count every address that Ubuntu One signs as proven, also without its account mark.",
    )
    launchpad_api_url: str = Field(
        default="https://api.launchpad.net/", description="Root of Launchpad's web service."
    )
    launchpad_web_url: str = Field(
        default="https://launchpad.net/", description="Root of Launchpad's pages, for links."
    )
    directory: Literal["launchpad", "roster"] = Field(
        default="launchpad",
        description="Where people and teams come from: Launchpad, or the file `ROSTER_FILE` "
        "([Directories](directories.md)).",
    )
    roster_file: Path | None = Field(
        default=None, description="The roster, a `.toml` or `.csv` file, for `DIRECTORY=roster`."
    )
    oidc_issuer: str | None = Field(
        default=None,
        description="Issuer of the OpenID Connect provider with which people sign in, exactly as its "
        "discovery document writes it. Without it, they sign in with Ubuntu One.",
    )
    oidc_client_id: str | None = Field(
        default=None,
        description="Client id of this portal there. Its redirect URI is `PUBLIC_URL/login/oidc`.",
    )
    oidc_client_secret: str | None = Field(
        default=None, repr=False, description="Client secret of this portal there, if it has one."
    )
    oidc_name: str | None = Field(
        default=None,
        description="The provider's name on the sign-in button. Without it, the issuer's host name.",
    )
    admins: CommaList = Field(
        default=[],
        description="Roles given to identities, each as `ROLE ISSUER SUBJECT`: ROLE is `project_admin`, "
        "`auditor` or `domain_admin:DOMAIN`; for Ubuntu One the issuer is `OPENID_PROVIDER_URL` and the "
        "subject the claimed id. Comma separated.",
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @field_validator("secret_key", "record_secret")
    @classmethod
    def _long_enough(cls, value: str) -> str:
        if len(value) < MIN_SECRET:
            raise ValueError(
                f"must have {MIN_SECRET} characters or more, for example from `openssl rand -hex 32`"
            )
        return value

    @field_validator("srs_secrets")
    @classmethod
    def _secrets_long_enough(cls, value: list[str]) -> list[str]:
        if not value or any(len(secret) < MIN_SECRET for secret in value):
            raise ValueError(f"each secret must have {MIN_SECRET} characters or more")
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url(cls, value: str) -> str:
        parts = urlsplit(value)
        _port(parts)
        extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
        if parts.scheme not in ("http", "https") or not parts.hostname or extra:
            raise ValueError("must be a plain address such as https://portal.example.org, without a path")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError(
                "must begin with https, since sign-in cookies travel there (http on loopback only)"
            )
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        if value.removeprefix("sqlite:///") in ("", ":memory:"):
            raise ValueError("must name a file, since all processes share it")
        parts = urlsplit(value)
        _port(parts)
        if parts.scheme == "postgresql" and not parts.path.strip("/"):
            raise ValueError("must name the database, as in postgresql://user:password@host/name")
        return value

    @field_validator("srs_domain", "relay_hostname")
    @classmethod
    def _host_name(cls, value: str) -> str:
        try:
            return to_ascii_domain(value)
        except AddressError as error:
            raise ValueError(f"must be a host name such as mx.example.org ({error})") from None

    @field_validator("ops_address", "mail_from", "contact_mail")
    @classmethod
    def _mail_address(cls, value: str | None) -> str | None:
        try:
            return None if value is None else parse_address(value).text
        except AddressError as error:
            raise ValueError(f"must be a mail address ({error})") from None

    @field_validator("contact_matrix")
    @classmethod
    def _matrix_room(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"#[^\s:/?#]+:[A-Za-z0-9.:\[\]-]+", value):
            raise ValueError("must be a Matrix room such as #room:example.org")
        return value

    @field_validator("contact_web")
    @classmethod
    def _web_page(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", value):
            raise ValueError("must be a web address such as https://example.org/help")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return value

    @field_validator("openid_claimed_id_prefix")
    @classmethod
    def _with_path(cls, value: str) -> str:
        if not urlsplit(value).path.startswith("/"):
            raise ValueError("must have a path, such as https://login.example.org/+id/")
        return value

    @field_validator("openid_provider_url", "launchpad_api_url", "launchpad_web_url")
    @classmethod
    def _with_slash(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("must be a web address")
        return value.rstrip("/") + "/"

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        _port(parts)
        if not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError("must be the issuer's address, such as https://login.example.org/realms/project")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
            raise ValueError("must begin with https (http on loopback only)")
        if len(value) > 255:
            raise ValueError("must have 255 characters at most")
        return value

    @field_validator("log_level")
    @classmethod
    def _log_level(cls, value: str) -> str:
        if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @field_validator("relay_listen")
    @classmethod
    def _listen(cls, value: list[str]) -> list[str]:
        if not value:
            raise ValueError("must name an address and port such as 0.0.0.0:25")
        for item in value:
            split_host_port(item)
        return value

    @field_validator("smarthost", "resolver")
    @classmethod
    def _host_port(cls, value: str | None) -> str | None:
        if value is not None:
            split_host_port(value)
        return value

    @field_validator("trusted_sealers", "trusted_lists")
    @classmethod
    def _domains(cls, value: list[str]) -> list[str]:
        try:
            return [to_ascii_domain(item) for item in value]
        except AddressError as error:
            raise ValueError(f"must be domains such as lists.example.org ({error})") from None

    @field_validator("dmarc_overrides")
    @classmethod
    def _overrides(cls, value: list[str]) -> list[str]:
        for item in value:
            domain, _, policy = item.partition("=")
            if policy not in ("none", "quarantine", "reject"):
                raise ValueError("must be like example.org=quarantine (or none, or reject)")
            try:
                to_ascii_domain(domain)
            except AddressError as error:
                raise ValueError(f"must begin with a domain ({error})") from None
        return value

    @field_validator("portal_proxies", "relay_trusted_networks", "trusted_upstreams")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for item in value:
            try:
                ipaddress.ip_network(item, strict=False)
            except ValueError:
                raise ValueError("must be networks such as 192.0.2.0/24") from None
        return value

    @field_validator("admins")
    @classmethod
    def _roles(cls, value: list[str]) -> list[str]:
        for item in value:
            if not re.fullmatch(r"(project_admin|auditor|domain_admin:\S+) \S+ \S.*", item):
                raise ValueError(
                    "must be like `project_admin ISSUER SUBJECT` (or auditor, or domain_admin:DOMAIN)"
                )
        return value

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        for one, other in TOGETHER:
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"{one.upper()} and {other.upper()}: set both or neither")
        if self.relay_memory_limit < 2 * self.message_size_limit:
            raise ValueError("RELAY_MEMORY_LIMIT must be at least twice MESSAGE_SIZE_LIMIT")
        if self.smarthost_user is not None and self.smarthost is None:
            raise ValueError("SMARTHOST_USER is set, but SMARTHOST is not")
        if (self.directory == "roster") != (self.roster_file is not None):
            raise ValueError("DIRECTORY=roster and ROSTER_FILE: set both or neither")
        if self.oidc_client_secret is not None and self.oidc_issuer is None:
            raise ValueError("OIDC_CLIENT_SECRET is set, but OIDC_ISSUER is not")
        if self.oidc_issuer is not None and self.directory == "launchpad":
            raise ValueError("OIDC_ISSUER needs DIRECTORY=roster: Launchpad knows Ubuntu One's people alone")
        if self.openid_origin_mismatch:
            raise ValueError(
                "OPENID_PROVIDER_URL, OPENID_ENDPOINT and OPENID_CLAIMED_ID_PREFIX must name the same host"
            )
        return self

    @property
    def openid_origin_mismatch(self) -> bool:
        """Whether the three OpenID addresses do not share scheme, host and port."""
        urls = (self.openid_provider_url, self.openid_endpoint, self.openid_claimed_id_prefix)
        return len({urlsplit(url)[:2] for url in urls}) != 1

    @property
    def identity_issuer(self) -> str:
        """The issuer of the identities that sign in here."""
        return self.oidc_issuer or self.openid_provider_url

    @property
    def provider_name(self) -> str:
        """What people call the sign-in provider."""
        if self.oidc_issuer is None:
            return "Ubuntu One"
        return self.oidc_name or str(urlsplit(self.oidc_issuer).hostname)

    @property
    def broker_url(self) -> str:
        """Where jobs are queued: REDIS_URL, or the embedded broker's socket."""
        return self.redis_url or f"unix://{self.broker_socket}"

    @property
    def broker_socket(self) -> Path:
        """Socket of the embedded broker."""
        return self.state_dir.absolute() / "broker.sock"

    @property
    def user_agent(self) -> str:
        """How Waypost names itself to Launchpad, with a contact."""
        return f"Waypost/0.1 ({self.public_url}; {self.ops_address})"

    @property
    def secure_cookies(self) -> bool:
        """Whether the portal is reached by https, as everywhere but on loopback."""
        return self.public_url.startswith("https://")


def _port(parts: SplitResult) -> int | None:
    """Return the port of an address; raises ValueError with a sentence when it is none."""
    try:
        return parts.port
    except ValueError:
        raise ValueError("must have a port between 1 and 65535, or none") from None


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_host_port(text: str) -> tuple[str, int]:
    """Split `host:port` or `[address]:port`.

    Raises ValueError with a sentence when it is neither.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError("must be host:port, or [address]:port for IPv6")
    return host.removeprefix("[").removesuffix("]"), int(port)


FILE_VARIABLE = "WAYPOST_SETTINGS"
"""Names a file with settings, as `waypost init` writes it; what the environment itself says goes before."""


def load_settings() -> Settings:
    """Read the environment, and the file that it names.

    Raises SettingsError with one sentence a line, each naming its variable.
    """
    file = os.environ.get(FILE_VARIABLE)
    if file and not os.access(file, os.R_OK):
        raise SettingsError(f"{FILE_VARIABLE} names {file}, which cannot be read.")
    return _checked(_env_file=file or None)


def check_settings(values: Mapping[str, str]) -> Settings:
    """Make settings of texts by their names in lower case, before they are written into a file.

    Raises SettingsError as `load_settings` does.
    """
    return _checked(**values)


def _checked(**values: Any) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(
            "\n".join(_sentence(item["loc"], item["msg"]) for item in error.errors())
        ) from None


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    """Say what is wrong with one variable, without its value: it may be a secret."""
    message = message.removeprefix("Value error, ")
    if not location:
        return f"{message}."
    name = str(location[0]).upper()
    if message == "Field required":
        return f"{name} is not set. docs/settings.md says what it is for."
    return f"{name} {message}." if message.startswith(("must", "each")) else f"{name}: {message}."
