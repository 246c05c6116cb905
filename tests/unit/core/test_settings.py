"""core.settings"""

import re
from pathlib import Path

import pytest

from core.settings import Settings, SettingsError, is_loopback, load_settings, split_host_port

COMPLETE = {
    "SECRET_KEY": "secret-key-0123456789-0123456789",
    "RECORD_SECRET": "record-secret-0123456789-0123456",
    "SRS_SECRETS": "srs-secret-one-0123456789-012345, srs-secret-two-0123456789-012345",
    "PUBLIC_URL": "https://portal.example.org",
    "DATABASE_URL": "sqlite:////srv/waypost/waypost.db",
    "SRS_DOMAIN": "srs.example.org",
    "RELAY_HOSTNAME": "mx.example.org",
    "OPS_ADDRESS": "ops@ops.example.net",
    "MAIL_FROM": "waypost@example.org",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set the required variables and no other."""
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def complaint() -> str:
    """Return what the start says about the environment."""
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)


def test_the_required_variables_are_enough():
    settings = load_settings()

    assert settings.secret_key == COMPLETE["SECRET_KEY"]
    assert settings.relay_listen == ["0.0.0.0:25"]


def test_required_are_those_without_a_default():
    assert {name for name, field in Settings.model_fields.items() if field.is_required()} == {
        name.lower() for name in COMPLETE
    }


@pytest.mark.parametrize("name", COMPLETE)
def test_a_missing_variable_is_named(environment, name):
    environment.delenv(name)

    assert complaint() == f"{name} is not set. docs/settings.md says what it is for."


@pytest.mark.parametrize("name", COMPLETE)
def test_an_empty_variable_counts_as_missing(environment, name):
    environment.setenv(name, "")

    assert complaint() == f"{name} is not set. docs/settings.md says what it is for."


def test_all_wrong_variables_are_named_at_once(environment):
    environment.delenv("MAIL_FROM")
    environment.setenv("SECRET_KEY", "short")

    lines = complaint().splitlines()
    assert [line.split()[0] for line in lines] == ["SECRET_KEY", "MAIL_FROM"]


SENSELESS = [
    ("SECRET_KEY", "0123456789-31-characters-45678x"),
    ("RECORD_SECRET", "short-Xyz"),
    ("SRS_SECRETS", "srs-secret-one-0123456789-012345, short-Xyz"),
    ("SRS_SECRETS", " , "),
    ("PUBLIC_URL", "portal.xyz.example"),
    ("PUBLIC_URL", "ftp://portal.xyz.example"),
    ("PUBLIC_URL", "http://portal.xyz.example"),
    ("PUBLIC_URL", "http://127.0.0.1.xyz.example"),
    ("PUBLIC_URL", "https://portal.xyz.example/path"),
    ("PUBLIC_URL", "https://portal.xyz.example?query"),
    ("PUBLIC_URL", "https://portal.xyz.example/#fragment"),
    ("PUBLIC_URL", "https://user:password@portal.xyz.example"),
    ("PUBLIC_URL", "https://portal.xyz.example:99999"),
    ("PUBLIC_URL", "https://[xyz"),
    ("PUBLIC_URL", "https://"),
    ("DATABASE_URL", "mysql://xyz-user:xyz-password@db/waypost"),
    ("DATABASE_URL", "waypost-xyz.db"),
    ("DATABASE_URL", "sqlite://xyz.db"),
    ("DATABASE_URL", "sqlite:///"),
    ("DATABASE_URL", "sqlite:///:memory:"),
    ("DATABASE_URL", "postgresql://"),
    ("DATABASE_URL", "postgresql://xyz-host"),
    ("DATABASE_URL", "postgresql://xyz-host/"),
    ("DATABASE_URL", "postgresql://xyz-host:port/waypost"),
    ("SRS_DOMAIN", "xyz"),
    ("SRS_DOMAIN", "srs_xyz.example.org"),
    ("RELAY_HOSTNAME", "192.0.2.77"),
    ("RELAY_HOSTNAME", "https://mx.xyz.example"),
    ("OPS_ADDRESS", "ops-xyz"),
    ("CONTACT_MAIL", "help-xyz"),
    ("CONTACT_MATRIX", "xyz:xyz.test"),
    ("CONTACT_MATRIX", "#xyz"),
    ("CONTACT_MATRIX", "#x yz:xyz.test"),
    ("CONTACT_WEB", "xyz.example.org"),
    ("CONTACT_WEB", "javascript:xyz"),
    ("CONTACT_WEB", "https:///xyz"),
    ("OPS_ADDRESS", "ops@xyz.example, more@xyz.example"),
    ("MAIL_FROM", "Waypost <waypost@xyz.example>"),
    ("REDIS_URL", "localhost-xyz:6379"),
    ("REDIS_URL", "http://xyz.example"),
    ("RELAY_LISTEN", ","),
    ("RELAY_LISTEN", "0.0.0.0:25, xyz"),
    ("RELAY_LISTEN", "0.0.0.0:70077"),
    ("RELAY_LISTEN", "0.0.0.0:²"),
    ("MESSAGE_SIZE_LIMIT", "1077"),
    ("MESSAGE_SIZE_LIMIT", "xyz"),
    ("SMARTHOST", "smarthost-xyz"),
    ("SMARTHOST", "smarthost.xyz.example:smtp"),
    ("DELIVERY_PORT", "0"),
    ("DELIVERY_PORT", "70077"),
    ("RESOLVER", "192.0.2.77"),
    ("DELIVERY_TLS", "sometimes-xyz"),
    ("RELAY_PROCESSES", "-1"),
    ("RELAY_PROCESSES", "257"),
    ("RELAY_MEMORY_LIMIT", "1048575"),
    ("RELAY_MEMORY_LIMIT", "104857599"),
    ("RELAY_CONNECTION_LIMIT", "0"),
    ("RELAY_CLIENT_CONNECTION_LIMIT", "0"),
    ("RELAY_TRUSTED_NETWORKS", "10.0.0.0/8, 10.0.0.0/77"),
    ("RELAY_TRUSTED_NETWORKS", "mx.xyz.example"),
    ("SRS_MAX_AGE_DAYS", "0"),
    ("SRS_MAX_AGE_DAYS", "501"),
    ("SMARTHOST_USER", "xyz-user"),
    ("SMARTHOST_PASSWORD", "xyz-password"),
    ("OPENID_PROVIDER_URL", "login-xyz.example"),
    ("OPENID_ENDPOINT", "https://login.xyz.example/+openid"),
    ("OPENID_CLAIMED_ID_PREFIX", "https://login.xyz.example/+id/"),
    ("OPENID_CLAIMED_ID_PREFIX", "https://login.ubuntu.com"),
    ("OPENID_EMAIL_PROVEN", "perhaps-xyz"),
    ("LAUNCHPAD_API_URL", "api.xyz.example"),
    ("LAUNCHPAD_WEB_URL", "ftp://xyz.example"),
    ("RELAY_TLS_CERTIFICATE", "/srv/xyz.pem"),
    ("RELAY_TLS_KEY", "/srv/xyz.key"),
    ("LOG_LEVEL", "LOUD-xyz"),
    ("DIRECTORY", "ldap-xyz"),
    ("ROSTER_FILE", "/srv/xyz-roster.toml"),
    ("OIDC_ISSUER", "login-xyz.example"),
    ("OIDC_ISSUER", "http://login.xyz.example"),
    ("OIDC_ISSUER", "https://login.xyz.example/?tenant=xyz"),
    ("OIDC_ISSUER", "https://login.xyz.example/#part"),
    ("OIDC_ISSUER", "https://user:xyz-word@login.xyz.example"),
    ("OIDC_ISSUER", "https://login.xyz.example:port"),
    ("OIDC_ISSUER", f"https://login.xyz.example/{'long' * 64}"),
    ("OIDC_CLIENT_ID", "xyz-client"),
    ("OIDC_CLIENT_SECRET", "xyz-secret"),
]


@pytest.mark.parametrize(("name", "value"), SENSELESS)
def test_a_senseless_variable_is_named_in_one_sentence_without_its_value(environment, name, value):
    environment.setenv(name, value)

    sentence = complaint()
    assert name in sentence
    assert sentence.count("\n") == 0
    assert sentence.endswith(".")
    shown = [part for part in re.split(r"[\s,/:@?#\[\]]+", value) if len(part) > 4 and part in sentence]
    assert [part for part in shown if part not in ("https", "http", "sqlite", "postgresql")] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "https://portal.example.org:8443"),
        ("DATABASE_URL", "sqlite:///var/waypost.db"),
        ("DATABASE_URL", "postgresql://user:p%40ss@db.example.org:5432/waypost?sslmode=require"),
        ("DATABASE_URL", "postgresql:///waypost"),
        ("REDIS_URL", "rediss://user:password@broker.example.org:6380/1"),
        ("REDIS_URL", "unix:///run/valkey.sock"),
        ("MESSAGE_SIZE_LIMIT", "65536"),
        ("RELAY_PROCESSES", "256"),
        ("RELAY_MEMORY_LIMIT", "104857600"),
        ("RELAY_CONNECTION_LIMIT", "1"),
        ("RELAY_CLIENT_CONNECTION_LIMIT", "1"),
        ("RELAY_TRUSTED_NETWORKS", "192.0.2.7, 10.1.2.3/8, 2001:db8::/32"),
        ("SRS_MAX_AGE_DAYS", "1"),
        ("SRS_MAX_AGE_DAYS", "500"),
        ("DELIVERY_PORT", "1"),
        ("DELIVERY_PORT", "65535"),
        ("DELIVERY_TLS", "verify"),
        ("SMARTHOST", "[2001:db8::1]:587"),
        ("RESOLVER", "127.0.0.1:5353"),
        ("LOG_LEVEL", "debug"),
        ("OPENID_EMAIL_PROVEN", "true"),
    ],
)
def test_a_sensible_variable_is_taken(environment, name, value):
    environment.setenv(name, value)

    assert load_settings()


def with_oidc(environment) -> None:
    """Set what a portal with a roster and an OIDC provider needs."""
    environment.setenv("DIRECTORY", "roster")
    environment.setenv("ROSTER_FILE", "/srv/roster.toml")
    environment.setenv("OIDC_ISSUER", "https://login.example.org/realms/project")
    environment.setenv("OIDC_CLIENT_ID", "waypost")


def test_people_sign_in_with_ubuntu_one_unless_an_issuer_is_set(environment):
    assert load_settings().provider_name == "Ubuntu One"
    assert load_settings().identity_issuer == "https://login.ubuntu.com/"
    with_oidc(environment)
    assert load_settings().provider_name == "login.example.org"
    assert load_settings().identity_issuer == "https://login.example.org/realms/project"
    environment.setenv("OIDC_NAME", "Project Login")
    assert load_settings().provider_name == "Project Login"


def test_an_issuer_is_kept_as_it_is_written(environment):
    with_oidc(environment)
    environment.setenv("OIDC_ISSUER", "https://login.example.org/")

    assert load_settings().oidc_issuer == "https://login.example.org/"


def test_a_roster_needs_its_file(environment):
    environment.setenv("DIRECTORY", "roster")

    assert complaint() == "DIRECTORY=roster and ROSTER_FILE: set both or neither."


@pytest.mark.parametrize("missing", ["OIDC_CLIENT_ID", "DIRECTORY", "ROSTER_FILE"])
def test_an_issuer_needs_the_rest(environment, missing):
    with_oidc(environment)
    environment.delenv(missing)

    assert missing in complaint()


def test_launchpad_does_not_know_the_people_of_an_oidc_provider(environment):
    with_oidc(environment)
    environment.delenv("ROSTER_FILE")
    environment.delenv("DIRECTORY")

    assert complaint().startswith("OIDC_ISSUER needs DIRECTORY=roster")


def test_a_roster_goes_with_ubuntu_one_too(environment):
    with_oidc(environment)
    environment.delenv("OIDC_ISSUER")
    environment.delenv("OIDC_CLIENT_ID")

    assert load_settings().identity_issuer == "https://login.ubuntu.com/"


def test_what_is_kept_secret_does_not_show_when_settings_are_printed(environment):
    environment.setenv("DATABASE_URL", "postgresql://user:database-word@db.example.org/waypost")
    environment.setenv("REDIS_URL", "redis://user:broker-word@broker.example.org/1")
    environment.setenv("SMARTHOST", "smarthost.example.org:587")
    environment.setenv("SMARTHOST_USER", "user")
    environment.setenv("SMARTHOST_PASSWORD", "smarthost-word")
    with_oidc(environment)
    environment.setenv("OIDC_CLIENT_SECRET", "client-word")
    settings = load_settings()

    secrets = [settings.secret_key, settings.record_secret, *settings.srs_secrets]
    for word in [*secrets, "database-word", "broker-word", "smarthost-word", "client-word"]:
        assert word not in repr(settings) + str(settings)


def test_the_two_tls_files_are_named_together(environment):
    environment.setenv("RELAY_TLS_KEY", "/srv/key.pem")

    assert complaint() == "RELAY_TLS_CERTIFICATE and RELAY_TLS_KEY: set both or neither."


def test_lists_are_separated_by_commas(environment):
    environment.setenv("RELAY_LISTEN", "192.0.2.1:25,[2001:db8::1]:25")

    settings = load_settings()
    assert settings.relay_listen == ["192.0.2.1:25", "[2001:db8::1]:25"]
    assert len(settings.srs_secrets) == 2


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000", "https://portal.example.org"],
)
def test_http_is_taken_on_loopback_only(environment, url):
    environment.setenv("PUBLIC_URL", url)

    settings = load_settings()
    assert settings.public_url == url
    assert settings.secure_cookies is url.startswith("https")


def test_addresses_of_services_get_their_slash(environment):
    environment.setenv("PUBLIC_URL", "https://portal.example.org/")
    environment.setenv("LAUNCHPAD_API_URL", "https://api.example.org")

    settings = load_settings()
    assert settings.public_url == "https://portal.example.org"
    assert settings.launchpad_api_url == "https://api.example.org/"


def test_without_redis_the_broker_is_a_socket_in_the_state_folder(environment, tmp_path):
    environment.setenv("STATE_DIR", str(tmp_path))

    assert load_settings().broker_url == f"unix://{tmp_path}/broker.sock"


def test_with_redis_the_broker_is_there(environment):
    environment.setenv("REDIS_URL", "redis://broker.example.org:6379/1")

    assert load_settings().broker_url == "redis://broker.example.org:6379/1"


def test_the_name_for_launchpad_has_a_contact():
    agent = load_settings().user_agent

    assert agent.isascii()
    assert COMPLETE["OPS_ADDRESS"] in agent


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load_settings().project_name = "Other"


def test_every_variable_has_a_description():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_settings_page_lists_exactly_the_variables():
    page = (Path(__file__).parents[3] / "docs" / "settings.md").read_text()

    rows = re.findall(r"^\| `([A-Z0-9_]+)` \|", page, re.MULTILINE)
    assert rows == [name.upper() for name in Settings.model_fields]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("mx.example.org:25", "mx.example.org", 25), ("[::1]:2525", "::1", 2525), ("0.0.0.0:0", "0.0.0.0", 0)],
)
def test_host_and_port_are_split(text, host, port):
    assert split_host_port(text) == (host, port)


@pytest.mark.parametrize("text", ["", ":25", "mx.example.org", "mx:", "mx:-1", "mx:65536", "mx:2 5", "mx:٢٥"])
def test_what_is_no_host_and_port_is_refused(text):
    with pytest.raises(ValueError, match="must be host:port"):
        split_host_port(text)


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("localhost", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("192.0.2.1", False),
        ("localhost.example", False),
    ],
)
def test_loopback_is_this_machine_only(host, answer):
    assert is_loopback(host) is answer
