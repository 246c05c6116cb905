"""`script/send`: a test mail by real SMTP, for trying the demo by hand."""

from __future__ import annotations

import argparse
import smtplib
import sys

from devtools.demo import send


def main() -> None:
    """Send one mail and say what the relay answered."""
    parser = argparse.ArgumentParser(prog="script/send", description=__doc__)
    parser.add_argument("--to", required=True)
    parser.add_argument("--port", type=int, required=True, help="the demo's relay port")
    parser.add_argument("--subject", default="Hello from the demo")
    options = parser.parse_args()
    try:
        send(options.port, options.to, options.subject)
    except smtplib.SMTPRecipientsRefused as refused:
        code, text = next(iter(refused.recipients.values()))
        sys.exit(f"Refused: {code} {text.decode(errors='replace')}")
    except (OSError, smtplib.SMTPException) as error:
        sys.exit(f"Not sent: {error}")
    print("Delivered: the relay answered 250 after the recipient's server had taken it.")


if __name__ == "__main__":
    main()
