"""A forwarder as they are often written: stock aiosmtpd in a thread, the email package, blocking smtplib."""

import email
import smtplib
import sqlite3
import sys
import threading
from email.policy import SMTP as SMTP_POLICY
from typing import Any

from aiosmtpd.controller import Controller


class Handler:
    """Looks each recipient up, parses the message, adds a field, and sends it on before it answers."""

    def __init__(self, sink: int, table: str) -> None:
        self._sink = sink
        self._table = table

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        message = email.message_from_bytes(envelope.original_content, policy=SMTP_POLICY)
        message["X-Forwarded-By"] = "plain"
        rows = sqlite3.connect(self._table)
        for recipient in envelope.rcpt_tos:
            found = rows.execute("SELECT target FROM aliases WHERE address = ?", (recipient,)).fetchone()
            if found is None:
                return "550 5.1.1 No such address"
            with smtplib.SMTP("127.0.0.1", self._sink) as server_out:
                server_out.sendmail(envelope.mail_from, [found[0]], message.as_bytes())
        rows.close()
        return "250 2.0.0 Delivered"


def main() -> None:
    """Run until killed. Arguments: port, port of the sink, table."""
    port, sink, table = sys.argv[1:]
    controller = Controller(
        Handler(int(sink), table), hostname="127.0.0.1", port=int(port), data_size_limit=50 * 1024 * 1024
    )
    controller.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
