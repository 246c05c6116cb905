"""The rival: rspamd as Postfix's milter with SPF, DKIM, DMARC and ARC alone; and the DNS for both."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.relay.peers import running, wait_for
from devtools.stack import free_port

ON = {"arc", "dkim", "dmarc", "spf"}
ALWAYS_ON = {"composites", "settings", "force_actions"}
"""What cannot be switched off by its own file."""
_STARTS_WITHIN = 60.0


@contextmanager
def dns_server(folder: Path, records: Mapping[str, str]) -> Iterator[int]:
    """Run unbound with some TXT records and nothing else; yields its port on 127.0.0.1."""
    folder.mkdir()
    port = free_port()
    data = "\n".join(
        f"  local-data: '{name}. 3600 IN TXT {_strings(text)}'" for name, text in records.items()
    )
    (folder / "unbound.conf").write_text(f"""server:
  interface: 127.0.0.1
  port: {port}
  do-ip6: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  local-zone: "." static
  local-data: ". 3600 IN SOA a. a. 1 3600 3600 3600 3600"
{data}
remote-control:
  control-enable: no
""")
    with running(["unbound", "-d", "-c", str(folder / "unbound.conf")], folder):
        wait_for(port)
        yield port


def _strings(text: str) -> str:
    return " ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250))


@contextmanager
def rspamd(folder: Path, dns: int, domain: str, selector: str, key: bytes) -> Iterator[tuple[int, int]]:
    """Run rspamd's proxy worker as a milter; yields its port and the process at the root of its tree.

    dns: the port of the name server. domain, selector, key (PEM): for the ARC seal.
    """
    port = free_port()
    shutil.copytree("/etc/rspamd", folder)
    local = folder / "local.d"
    for module in (folder / "modules.d").glob("*.conf"):
        if module.stem not in ON | ALWAYS_ON:
            (local / module.name).write_text("enabled = false;\n")
    (folder / "statistic.conf").write_text("")
    (folder / "arc.key").write_bytes(key)
    (local / "options.inc").write_text(
        f'dns {{ nameserver = ["127.0.0.1:{dns}:1"]; timeout = 0.5s; }}\nlocal_addrs = [];\n'
        'filters = "dkim";\n'
    )
    (local / "logging.inc").write_text('level = "warning";\n')
    (local / "arc.conf").write_text(
        'sign_inbound = true;\nsign_local = true;\nuse_domain = "recipient";\nuse_esld = false;\n'
        f'domain {{ {domain} {{ path = "{folder}/arc.key"; selector = "{selector}"; }} }}\n'
    )
    (local / "dmarc.conf").write_text("reporting { enabled = false; }\n")
    for worker in ("normal", "controller", "fuzzy"):
        (local / f"worker-{worker}.inc").write_text("enabled = false;\n")
    (local / "worker-proxy.inc").write_text(
        f'bind_socket = "127.0.0.1:{port}";\ncount = 2;\nmilter = yes;\n'
        'upstream "local" { default = yes; self_scan = yes; }\n'
    )
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, "_rspamd")
    names = {"CONFDIR": folder, "LOCAL_CONFDIR": folder, "RUNDIR": folder, "DBDIR": folder, "LOGDIR": folder}
    variables = [word for name, value in names.items() for word in ("--var", f"{name}={value}")]
    command = [
        "rspamd",
        "-f",
        "-u",
        "_rspamd",
        "-g",
        "_rspamd",
        "-c",
        str(folder / "rspamd.conf"),
        *variables,
    ]
    with running(command, folder) as process:
        wait_for(port, _STARTS_WITHIN)
        yield port, process.pid
