"""What authenticating and sealing a message costs, a step at a time, beside dkimpy and pyspf.

Everything runs in this process on one core with DNS answered from memory. Steps of ours and of the
judge take turns, so that both see the same machine; numbers are medians, in milliseconds of CPU.
"""

import asyncio
import statistics
import time
from collections.abc import Callable
from hashlib import sha256
from ipaddress import IPv4Address
from typing import Any

import dkim as dkimpy
import spf as pyspf

from mailauth import arc, check, dkim, message, spf
from mailauth.canonical import Canon
from mailauth.keys import Algorithm, SigningKey
from mailauth.resolver import Answer, Outcome
from mailauth.results import Method, Results

SIZES = {"4 KiB": 4 * 1024, "50 KiB": 50 * 1024}
NOW = 1_767_300_000
ID = b"mx.proj.example"
OURS = Results(ID.decode(), (Method("arc", "none"), Method("dkim", "pass"), Method("dmarc", "pass")))
SPF_RECORDS = {
    "example.org": "v=spf1 include:a.example include:b.example ip4:198.51.100.0/24 ~all",
    "a.example": "v=spf1 " + " ".join(f"ip4:203.0.{number}.0/24" for number in range(12)) + " ~all",
    "b.example": "v=spf1 ip4:192.0.2.0/24 ~all",
}
CLIENT = check.Client(IPv4Address("192.0.2.10"), "mail.example.org", "ada@example.org")


class Memory:
    """A resolver with TXT records and nothing else."""

    def __init__(self, records: dict[str, str]) -> None:
        self.records = {name: text.encode() for name, text in records.items()}

    async def txt(self, name: str) -> Answer[bytes]:
        found = self.records.get(name)
        return Answer(Outcome.NO_SUCH_NAME) if found is None else Answer(Outcome.FOUND, (found,))

    async def a(self, name: str) -> Answer[Any]:
        return Answer(Outcome.NO_SUCH_NAME)

    aaaa = mx = ptr = a

    def for_dkimpy(self, name: bytes, timeout: float = 5) -> bytes | None:
        return self.records.get(name.decode().removesuffix("."))


class Query(pyspf.query):
    """pyspf's check, with DNS from the same records."""

    def dns(self, name: str, qtype: str, cnames: object = None, ignore_void: bool = False) -> list[Any]:
        return [(SPF_RECORDS[name].encode(),)] if qtype == "TXT" and name in SPF_RECORDS else []


def mail(size: int) -> bytes:
    """A message of some size in the shape of an ordinary one."""
    head = b"".join(
        b"Received: from hop%d.example (hop%d.example [192.0.2.%d])\r\n\tby hop%d.example (Postfix) with "
        b"ESMTPS id A1B2C3\r\n\tfor <bob@proj.example>; Fri, 02 Jan 2026 08:15:30 +0000 (UTC)\r\n"
        % (n, n, n, n + 1)
        for n in range(3)
    )
    head += (
        b"MIME-Version: 1.0\r\nReferences: <a1@example.org>\r\n <b2@example.org>\r\n"
        b"In-Reply-To: <b2@example.org>\r\n"
        b"From: Ada Byron <ada@example.org>\r\nDate: Fri, 02 Jan 2026 08:15:30 +0000\r\n"
        b"Message-ID: <CAA1x2y3@mail.example.org>\r\nSubject: Re: The meeting at noon\r\n"
        b"To: Bob <bob@proj.example>\r\nCc: Carol <carol@example.net>\r\nX-Mailer: Something 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    )
    line = b"Some words of an ordinary line of text, and then a few more.  \r\n"
    return head + (line * (size // len(line) + 1))[: max(0, size - len(head) - 2)] + b"\r\n"


class Steps:
    """The steps for one size: name → (ours, the judge's or None)."""

    def __init__(self, size: int) -> None:
        author = SigningKey.generate(Algorithm.RSA, "example.org", "sel")
        self.key = SigningKey.generate(Algorithm.RSA, "proj.example", "arc")
        self.dns = Memory(
            {**SPF_RECORDS, "_dmarc.example.org": "v=DMARC1; p=reject"}
            | {key.record_name: key.record for key in (author, self.key)}
        )
        plain = mail(size)
        parsed = message.parse(plain)
        self.plain = plain
        self.simple = dkim.sign(parsed, author, NOW) + plain
        relaxed = dkim.sign(parsed, author, NOW, canon=(Canon.RELAXED, Canon.RELAXED))
        self.relaxed = relaxed + plain
        self.sealed = self.seal(self.simple) + self.simple
        results = b"Authentication-Results: " + OURS.payload() + b"\r\n"
        for_judge = results + self.simple
        pem, names = self.key.to_pem(), [b"from", b"to", b"subject", b"date", b"message-id"]
        find = self.dns.for_dkimpy
        assert dkimpy.arc_verify(self.sealed, dnsfunc=find)[0] == b"pass"
        assert dkimpy.verify(self.simple, dnsfunc=find)
        assert Query("192.0.2.10", "ada@example.org", "mail.example.org").check()[0] == "pass"
        self.steps: dict[str, tuple[Callable[[], object], Callable[[], object] | None]] = {
            "parse": (lambda: message.parse(self.simple), None),
            "DKIM verify, simple body": (
                lambda: dkim.verify(message.parse(self.simple), self.dns, NOW),
                lambda: dkimpy.verify(self.simple, dnsfunc=find),
            ),
            "DKIM verify, relaxed body": (
                lambda: dkim.verify(message.parse(self.relaxed), self.dns, NOW),
                lambda: dkimpy.verify(self.relaxed, dnsfunc=find),
            ),
            "DKIM sign": (
                lambda: dkim.sign(message.parse(plain), self.key, NOW),
                lambda: dkimpy.sign(plain, b"arc", b"proj.example", pem, include_headers=names),
            ),
            "ARC validate, one set": (
                lambda: arc.validate(message.parse(self.sealed), self.dns, NOW),
                lambda: dkimpy.arc_verify(self.sealed, dnsfunc=find),
            ),
            "ARC seal": (
                lambda: self.seal(self.simple),
                lambda: dkimpy.arc_sign(for_judge, b"arc", b"proj.example", pem, ID, names),
            ),
            "SPF": (
                lambda: spf.check(CLIENT.address, CLIENT.helo, CLIENT.sender, self.dns),
                lambda: Query("192.0.2.10", "ada@example.org", "mail.example.org").check(),
            ),
            "verify and seal": (
                lambda: self.both(self.simple),
                lambda: (
                    dkimpy.verify(self.simple, dnsfunc=find),
                    dkimpy.arc_sign(for_judge, b"arc", b"proj.example", pem, ID, names),
                ),
            ),
            "all: SPF, DKIM, DMARC, ARC, results, seal": (lambda: self.all(self.simple), None),
        }

    def seal(self, data: bytes) -> bytes:
        made = arc.seal(message.parse(data), arc.Chain(arc.Status.NONE, next=1), OURS, self.key, NOW)
        assert made is not None
        return made

    async def both(self, data: bytes) -> bytes | None:
        parsed = message.parse(data)
        await dkim.verify(parsed, self.dns, NOW)
        return arc.seal(parsed, arc.Chain(arc.Status.NONE, next=1), OURS, self.key, NOW)

    async def all(self, data: bytes) -> bytes | None:
        parsed = message.parse(data)
        verdict = await check.check(parsed, CLIENT, self.dns, now=NOW)
        assert verdict.dmarc.spf_aligned
        assert verdict.dmarc.dkim_aligned
        results = verdict.results(ID.decode())
        return arc.seal(parsed, verdict.arc, results, self.key, NOW)

    def share(self, seconds: float, rounds: int) -> tuple[float, float]:
        """Measure one RSA signature and one sealing, in turn."""
        digest = sha256(b"x").digest()
        rsa, sealing = [], []
        for _ in range(rounds):
            rsa.append(cost(lambda: self.key.sign(digest), seconds))
            sealing.append(cost(lambda: self.seal(self.simple), seconds))
        return statistics.median(rsa), statistics.median(sealing)


def cost(work: Callable[[], object], seconds: float) -> float:
    """Milliseconds of CPU a call: one round of about some seconds, all in one event loop."""

    async def rounds() -> float:
        calls, start, spent = 0, 0.0, 0.0
        while spent < seconds:
            made = work()
            if asyncio.iscoroutine(made):
                await made
            if calls == 0:
                start = time.process_time()
            spent = time.process_time() - start
            calls += 1
        return spent / (calls - 1) * 1000

    return asyncio.run(rounds())


Table = dict[str, dict[str, dict[str, float]]]
"""Size → step → `ours_ms`, and where there is a judge `judge_ms` and `ratio`."""


def measure(seconds: float, rounds: int) -> Table:
    """Measure every step for every size; ours and the judge's in turn."""
    table: Table = {}
    for label, size in SIZES.items():
        steps = Steps(size)
        table[label] = {}
        for name, (ours, theirs) in steps.steps.items():
            mine, judges = [], []
            for _ in range(rounds):
                mine.append(cost(ours, seconds))
                if theirs is not None:
                    judges.append(cost(theirs, seconds))
            row = {"ours_ms": statistics.median(mine)}
            if judges:
                row["judge_ms"] = statistics.median(judges)
                row["ratio"] = row["judge_ms"] / row["ours_ms"]
            table[label][name] = row
        rsa, sealing = steps.share(seconds, rounds)
        share = 2 * rsa / sealing
        table[label]["RSA-2048 signature"] = {"ours_ms": rsa, "share_of_sealing": share}
    return table
