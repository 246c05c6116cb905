"""A thousand messages: our verdict and dkimpy's are the same, or the table says which section decides."""

import random
import re
import time
from pathlib import Path

import dkim as dkimpy
import pytest

from mailauth import dkim, message
from mailauth.canonical import Canon
from mailauth.dkim import Status
from tests.mailauth.mails import NOW, body, header, key, published, verify

MESSAGES = 1000
TABLE = Path(__file__).with_name("dkimpy_differences.tsv")
CANONS = [(head, of_body) for head in Canon for of_body in Canon]
KINDS = ("rsa", "rsa1024", "ed25519")
NAMES = tuple(b"from to subject date mime-version received received references x-empty x-absent from".split())


def differences():
    lines = [line.split("\t") for line in TABLE.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert len(lines) <= 20
    assert all("RFC" in line[3] and "section" in line[3] for line in lines)
    return {kind: (ours, theirs) for kind, ours, theirs, _ in lines}


def their_verdict(data, zone):
    def find(name, timeout=5):
        records = zone.records.get(name.decode().removesuffix("."), [])
        return records[0][1] if records else None

    try:
        return "pass" if dkimpy.verify(data, dnsfunc=find) else "fail"
    except (dkimpy.DKIMException, ValueError, KeyError, TypeError, AttributeError):
        return "fail"


def retag(data, change):
    """Change the signature's text; whatever it says afterwards is not what was signed."""
    end = data.index(b"\r\nMIME") if data.startswith(b"MIME") else re.search(rb"\r\n(?![ \t])", data).start()
    return change(data[:end]) + data[end:]


def relaxed_change(data, chance):
    """What the relaxed forms forgive: folding, runs of white space, case of names, empty lines at the end."""
    head, _, text = data.partition(b"\r\n\r\n")
    signature, *fields = re.split(rb"\r\n(?![ \t])", head)
    changed = [
        field.replace(b"  ", b" ").replace(b"Ada ", b"Ada\r\n\t") if b":" in field else field
        for field in fields
    ]
    name, _, value = changed[0].partition(b":")
    changed[0] = name.upper() + b":" + value
    return b"\r\n".join([signature, *changed]) + b"\r\n\r\n" + text


CHANGES = {
    "none": lambda data, chance: data,
    "body": lambda data, chance: data + b"one more line\r\n",
    "empty-lines": lambda data, chance: data + b"\r\n\r\n",
    "trailing-space": lambda data, chance: data[:-2] + b" \r\n" if data.endswith(b"\r\n") else data + b" ",
    "header": lambda data, chance: data.replace(b"three", b"four", 1),
    "unsigned-header": lambda data, chance: b"X-New: field\r\n" + data,
    "refolded": relaxed_change,
    "removed": lambda data, chance: data.replace(b"X-Empty:\r\n", b"", 1),
    "added-absent": lambda data, chance: data.replace(b"\r\n\r\n", b"\r\nX-Absent: 1\r\n\r\n", 1),
    "signature": lambda data, chance: retag(
        data, lambda text: re.sub(rb"([ \t]b=)....", rb"\1AAAA", text, count=1)
    ),
    "unknown-tag": lambda data, chance: retag(data, lambda text: text + b"; zz=1"),
    "no-from": lambda data, chance: retag(data, lambda text: re.sub(rb"from[ \t]*:|:[ \t]*from", b"", text)),
}


@pytest.fixture(scope="module")
def zone():
    return published(*(key(kind, selector=kind) for kind in KINDS))


def test_a_thousand_messages_get_the_same_verdict(zone):
    chance = random.Random(6376)
    table = differences()
    wrong = []
    passed = 0
    for number in range(MESSAGES):
        kind, canon = KINDS[number % 3], CANONS[number // 3 % 4]
        using = key(kind, selector=kind)
        data = header(chance) + b"\r\n" + body(chance, chance.randrange(30))
        if number % 8 == 7 and kind != "ed25519":
            line = dkimpy.sign(
                data,
                using.selector.encode(),
                using.domain.encode(),
                using.to_pem(),
                canonicalize=(canon[0].value.encode(), canon[1].value.encode()),
                include_headers=[name for name in dict.fromkeys(NAMES) if name != b"received"],
            )
        else:
            line = dkim.sign(message.parse(data), using, NOW, names=NAMES, canon=canon)
        name = chance.choice(list(CHANGES))
        changed = CHANGES[name](line + data, chance)
        (ours,) = verify(changed, zone, time.time())
        theirs = their_verdict(changed, zone)
        passed += theirs == "pass"
        # Either may have signed such an end its own way.
        settled = changed.endswith((b" ", b"\t")) and {ours.status.value, theirs} == set(table["white-end"])
        if (ours.status is Status.PASS) != (theirs == "pass") and not settled:
            wrong.append((number, name, kind, canon, ours, theirs))
    assert not wrong, "\n".join(map(str, wrong))
    assert MESSAGES // 4 < passed < MESSAGES


def special(kind):
    """A message, and the zone for it, of one kind of difference."""
    using = key()
    data = header(random.Random(kind), b"example.org") + b"\r\n" + b"Some text.\r\n"
    parsed = message.parse(data)
    line = dkim.sign(parsed, using, NOW, names=NAMES[:4])
    match kind:
        case "partial":
            short = message.parse(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\nSome")
            found = dkim_tags(using, parsed, short.body, l=b"4", names=NAMES[:4])
            return found + data, published(using)
        case "testing":
            return line + data, published(using, extra="t=y")
        case "strict":
            strict = dkim.sign(parsed, using, NOW, names=NAMES[:4], identity="ada@sub.example.org")
            return strict + data, published(using, extra="t=s")
        case "space-before-colon":
            data = data.replace(b"\r\nSubject:", b"\r\nSubject :").replace(b"\r\nTo:", b"\r\nTo :")
            data = data.replace(b"X-Empty:", b"X-Empty :")
            return dkim.sign(message.parse(data), using, NOW, names=NAMES[:4]) + data, published(using)
        case "longer-signature":
            return line.replace(b" b=", b" b=AAAA", 1) + data, published(using)
        case "white-end":
            data += b"last line \t"
            both = (Canon.RELAXED, Canon.RELAXED)
            return dkim.sign(message.parse(data), using, NOW, names=NAMES[:4], canon=both) + data, published(
                using
            )
        case "no-colon":
            data = data.replace(b"\r\n\r\n", b"\r\nno field at all\r\n\r\n", 1)
            return dkim.sign(message.parse(data), using, NOW, names=NAMES[:4]) + data, published(using)
        case "sha1":
            made = dkimpy.sign(
                data,
                b"sel",
                b"example.org",
                using.to_pem(),
                signature_algorithm=b"rsa-sha1",
                include_headers=NAMES[:4],
            )
            return made + data, published(using)
    raise AssertionError(kind)


def dkim_tags(using, parsed, covered, *, names, l):  # noqa: E741 - the tag's name
    """A signature with `l=`, which `sign` never makes."""
    from base64 import b64encode
    from hashlib import sha256

    found = [
        (b"a", b"rsa-sha256"),
        (b"b", b""),
        (b"bh", b64encode(sha256(bytes(covered.octets)).digest())),
        (b"c", b"relaxed/simple"),
        (b"d", using.domain.encode()),
        (b"h", b":".join(names)),
        (b"l", l),
        (b"s", using.selector.encode()),
        (b"v", b"1"),
    ]
    return dkim.complete(b"DKIM-Signature", found, parsed, names, using)


@pytest.mark.parametrize(("kind", "verdicts"), differences().items())
def test_each_line_of_the_table_is_a_difference(kind, verdicts):
    data, zone = special(kind)
    results = verify(data, zone, time.time())
    assert results[0].status.value == verdicts[0], results
    assert their_verdict(data, zone) == verdicts[1]
