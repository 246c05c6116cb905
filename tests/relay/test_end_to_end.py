"""A message goes in, and comes out at the recipient's server."""

from tests.relay.fakes import message


async def test_mail_arrives_with_our_lines_on_top_and_nothing_else_changed(world):
    async with world() as w:
        content = message(b"caf\xe9\r\n.dot\r\n..two\r\n")
        client = await w.client()
        answer = await client.mail("Ada@Proj.example", content=content)
        assert answer.startswith("250 2.0.0")
        [taken] = w.home.taken
        assert taken.recipient == "ada@home.example.net"
        assert taken.sender.startswith("SRS0=") and taken.sender.endswith("=example.com=bob@srs.proj.example")
        assert taken.content.endswith(content)
        assert taken.body == content
        ours = taken.content[: -len(content)]
        assert ours.startswith(b"Authentication-Results: mx.proj.example;")
        received = ours[ours.index(b"Received: ") :]
        assert received.startswith(b"Received: from client.example.com ([127.0.0.1])\r\n\tby mx.proj.example")
        assert b"for" not in received.split(b";")[0]
