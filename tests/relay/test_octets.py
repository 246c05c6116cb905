"""What comes in goes out octet for octet (B19, B31, B65): nothing below our own lines is touched."""

import pytest

MESSAGES = {
    "iso-2022-jp": b"Subject: =?ISO-2022-JP?B?GyRCJUYlOSVIGyhC?=\r\n"
    b"Content-Type: text/plain; charset=ISO-2022-JP\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
    b"\x1b$B%F%9%H\x1b(B\r\n",
    "raw latin-1 subject": b"Subject: Gr\xfc\xdfe\r\n\r\nx\r\n",
    "split encoded word": b"Subject: =?utf-8?q?a?=\r\n =?utf-8?q?b?=\r\n\r\nx\r\n",
    "odd case and folds": b"MIME-version:  1.0\r\nX-Mailer-Info:\tx\r\n\ty\r\nX-Empty:\r\nSubject: t \t\r\n"
    b"\r\nx \r\n \r\n",
    "long unfolded": b"To: " + b"a@example.com, " * 60 + b"b@example.com\r\n"
    b"References: " + b"<a@b> " * 150 + b"\r\n\r\nx\r\n",
    "empty first line": b"In-Reply-To:\r\n <id@x>\r\n\r\nx\r\n",
    "nested boundaries": b'Content-Type: multipart/mixed; boundary="o"\r\n\r\n--o\r\n'
    b'Content-Type: multipart/alternative; boundary="i"\r\n\r\n--i\r\n\r\nx\r\n--i--\r\n--o--\r\n',
    "raw utf-8 name": "From: Zoë <zoe@example.com>\r\n\r\nx\r\n".encode(),
    "twice": b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx\r\n",
    "nul": b"Subject: a\0b\r\n\r\n\0\r\n",
    "no colon": b"Subject: a\r\nthis is no field\r\nTo: b\r\n\r\nx\r\n",
    "only a body": b"\r\nx\r\n",
    "no empty line": b"Subject: a\r\n",
    "mbox": b"From x Mon Jan  1 00:00:00 2026\r\nSubject: a\r\n\r\n>From y\r\n",
    "continuation first": b" x: y\r\nSubject: a\r\n\r\nx\r\n",
    "nothing": b"",
    "empty lines": b"\r\n\r\n\r\n",
    "foreign results": b"Authentication-Results: other.example; dkim=pass\r\n"
    b"Authentication-Results: spf=pass; x; dkim=pass\r\n\r\nx\r\n",
}


@pytest.mark.parametrize("name", MESSAGES)
async def test_it_arrives_as_it_came(world, name):
    content = MESSAGES[name]
    async with world() as w:
        client = await w.client()
        await client.envelope("ada@proj.example")
        assert (await client.data(content)).startswith("250")
        taken = w.home.taken[0].content
        ours = taken[: len(taken) - len(content)]
        assert taken.endswith(content)
        assert ours.startswith(b"Authentication-Results: mx.proj.example;") and b"\r\nReceived: " in ours
        assert ours.endswith(b"\r\n") and b"\r\n\r\n" not in ours


async def test_b28_results_that_claim_our_name_are_removed_and_nothing_else(world):
    """B28: whatever their case or version (RFC 8601 §5); those of others may be signed, and stay."""
    forged = [
        b"Authentication-Results: mx.proj.example; dmarc=pass\r\n",
        b"AUTHENTICATION-RESULTS:\r\n\tMX.PROJ.EXAMPLE 1;\r\n spf=pass\r\n",
        b"Authentication-Results: (a (nested) comment) mx.proj.example ; dkim=pass\r\n",
        b"Authentication-Results : mx.proj.example; dkim=pass\r\n",
    ]
    kept = [
        b"Authentication-Results: other.example; dkim=pass\r\n",
        b"Authentication-Results: mx.proj.example.evil; dkim=pass\r\n",
        b"Authentication-Results: spf=pass (sender) smtp.mailfrom=mx.proj.example; dkim=pass\r\n",
        b"X-Authentication-Results: mx.proj.example; dkim=pass\r\n",
    ]
    body = b"Subject: a\r\n\r\nAuthentication-Results: mx.proj.example; this is text\r\n"
    async with world() as w:
        client = await w.client()
        await client.envelope("ada@proj.example")
        content = forged[0] + kept[0] + forged[1] + kept[1] + forged[2] + kept[2] + forged[3] + kept[3] + body
        assert (await client.data(content)).startswith("250")
        assert w.home.taken[0].body == b"".join(kept) + body
