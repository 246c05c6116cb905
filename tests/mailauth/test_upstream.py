"""The client before our own hosts, out of what they wrote and nothing else."""

from ipaddress import ip_address, ip_network

import pytest

from mailauth import message
from mailauth.upstream import last_hop

OURS = [ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")]
POSTFIX = (
    b"Received: from mail.s.example (rdns.s.example [192.0.2.10])\r\n"
    b"\tby mx2.proj.example (Postfix) with ESMTP\r\n"
)
FORGED = b"Received: from good.example (good.example [198.51.100.1]) by s.example; now\r\n"


def hop(*fields, client="10.0.0.2", trusted=OURS):
    address, helo = last_hop(
        message.parse(b"".join(fields) + b"\r\n"), ip_address(client), "mx2.proj.example", trusted
    )
    return str(address), helo


def test_a_stranger_is_the_client_whatever_the_fields_say():
    assert hop(POSTFIX, client="203.0.113.9") == ("203.0.113.9", "mx2.proj.example")


def test_behind_our_own_host_its_client_is_meant():
    assert hop(POSTFIX, FORGED) == ("192.0.2.10", "mail.s.example")
    assert hop(POSTFIX, FORGED, client="::ffff:10.0.0.2") == ("192.0.2.10", "mail.s.example")


def test_two_hosts_of_ours_are_followed():
    inner = b"Received: from mx3.proj.example (unknown [10.0.0.3]) by mx2.proj.example\r\n"
    assert hop(inner, POSTFIX, FORGED) == ("192.0.2.10", "mail.s.example")


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        (b"Received: from s.example ([IPv6:2001:db8::25]) by x\r\n", "2001:db8::25"),
        (b"Received: from rdns.example ([192.0.2.10] helo=[198.51.100.1]) by x (Exim)\r\n", "192.0.2.10"),
        (b"Received: from [198.51.100.1] (rdns.example [192.0.2.10]) by x\r\n", "192.0.2.10"),
        (b"Received: from s.example (s.example [192.0.2.10] (may be forged)) by x\r\n", "192.0.2.10"),
        (b"Received: from s.example ([::ffff:192.0.2.10]) by x\r\n", "192.0.2.10"),
        (b"Received: by x with local\r\n", "10.0.0.2"),
        (b"Received: from s.example by x\r\n", "10.0.0.2"),
        (b"Received: from s.example ([999.1.1.1]) by x\r\n", "10.0.0.2"),
        (b"Received: from " + b"(" * 5000 + b"\r\n", "10.0.0.2"),
    ],
)
def test_fields_as_servers_write_them(field, wanted):
    assert hop(field, FORGED)[0] == wanted


def test_without_trusted_networks_nothing_is_read():
    assert hop(POSTFIX, trusted=[])[0] == "10.0.0.2"
