# ruff: noqa: E501 - a message a line
"""Messages in the shapes of many makers: what their headers look like, with names and words of our own.

The shapes are those that each program's mail shows to anybody who receives it: order and case of
the fields, how long ones are folded, the kind of Message-ID and boundary, the body's encoding. Each
entry names the program. `%s` stands for the author's domain.
"""

ADDRESS = b"ada@%s"
DATE = b"Fri, 02 Jan 2026 08:15:30 +0000"

TEXT = b"Hello Bob,\r\n\r\nsee you  at noon.\r\n\r\n-- \r\nAda\r\n"
FLOWED = (
    b"Hello Bob, \r\nthis is one paragraph \r\nin three lines.\r\n\r\n> quoted\r\n>> twice\r\n-- \r\nAda\r\n"
)
QUOTED = b"Caf=C3=A9 =E2=82=AC5=20\r\nsoft line=\r\n break\r\nFrom here on\r\n..dots\r\n"
EIGHT_BIT = "Grüße, 挨拶\r\n\tindented\t\r\n \r\n".encode()
BASE64 = b"SGVsbG8gQm9iLCB0aGlzIGlzIGEgdGVzdCBvZiBhIGxvbmdlciB0ZXh0IHRoYXQgaXMgZW5jb2Rl\r\nZC4=\r\n"
LONG = b"<p>" + b"word " * 150 + b"</p>\r\n"
EMPTY = b""
NO_LAST_LINE = b"no line end"
MANY_EMPTY = b"text\r\n\r\n\r\n\r\n"
NESTED = (
    b"--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n--inner\r\n\r\ntext\r\n"
    b"--inner\r\nContent-Type: text/html\r\n\r\n<b>text</b>  \r\n--inner--\r\n--outer--\r\n"
)


def lines(*fields: bytes) -> bytes:
    return b"\r\n".join(fields) + b"\r\n"


FROM, TO = b"From: Ada Byron <ada@%s>", b"To: Bob <bob@proj.example>"
PLAIN, SUBJECT, MIME = b"Content-Type: text/plain; charset=utf-8", b"Subject: Noon", b"MIME-Version: 1.0"
WHEN = b"Date: " + DATE

MAKERS: dict[str, tuple[bytes, bytes]] = {
    "Gmail, web": (lines(MIME, WHEN, b"Message-ID: <CAA+x1=yZ_0@mail.%s>", SUBJECT, FROM, TO, b"Content-Type: multipart/alternative; boundary=\"000000000000abcd\""), NESTED),
    "Gmail, Android": (lines(MIME, b"References: <a@b>\r\n <c@d>", b"In-Reply-To: <c@d>", FROM, WHEN, b"Message-ID: <CAFx@mail.%s>", b"Subject: Re: Noon", TO, PLAIN), TEXT),
    "Outlook, Microsoft 365": (lines(FROM, TO, SUBJECT, b"Thread-Topic: Noon", b"Thread-Index: AQHb" + b"x" * 40 + b"==", WHEN, b"Message-ID:\r\n <AM0PR01MB1234.eurprd01.prod.%s>", b"Accept-Language: en-US", b"Content-Language: en-US", b"X-MS-Has-Attach:", b"X-MS-TNEF-Correlator:", b"x-ms-publictraffictype: Email", PLAIN, MIME), QUOTED),
    "Outlook, desktop": (lines(FROM, TO, SUBJECT, WHEN, b"Message-ID: <000001db5d$0a1b$@%s>", MIME, b"Content-Type: multipart/mixed;\r\n\tboundary=\"----=_NextPart_000_0001\"", b"X-Mailer: Microsoft Outlook 16.0", b"Thread-Index: AdtdAAA="), NESTED),
    "Exchange on premises": (lines(b"Received: from EX1.ad.example ([fe80::1]) by EX1.ad.example\r\n ([fe80::1%%12]) with mapi id 15.02; " + DATE, FROM, TO, SUBJECT, WHEN, b"Message-ID: <abc@%s>", MIME, PLAIN), TEXT),
    "Apple Mail, macOS": (lines(FROM, b"Content-Type: text/plain;\r\n\tcharset=us-ascii", b"Content-Transfer-Encoding: 7bit", b"Mime-Version: 1.0 (Mac OS X Mail 16.0 \\(3826.1\\))", SUBJECT, b"Message-Id: <0A1B-2C@%s>", WHEN, TO, b"X-Mailer: Apple Mail (2.3826.1)"), TEXT),
    "Apple Mail, iPhone": (lines(b"Content-Type: multipart/alternative; boundary=Apple-Mail-1", b"Content-Transfer-Encoding: 7bit", FROM, b"Mime-Version: 1.0 (1.0)", WHEN, SUBJECT, b"Message-Id: <F00-BA@%s>", TO, b"X-Mailer: iPhone Mail (22A1)"), NESTED),
    "Thunderbird": (lines(b"Message-ID: <0a1b-2c3d@%s>", WHEN, MIME, b"User-Agent: Mozilla Thunderbird", b"Content-Language: en-GB", TO, FROM, SUBJECT, b"Content-Type: text/plain; charset=UTF-8; format=flowed", b"Content-Transfer-Encoding: 8bit"), FLOWED),
    "K-9 Mail": (lines(WHEN, FROM, TO, b"Subject: =?UTF-8?Q?Caf=C3=A9?=", b"User-Agent: K-9 Mail for Android", b"Message-ID: <4F-AA@%s>", MIME, PLAIN, b"Content-Transfer-Encoding: quoted-printable"), QUOTED),
    "mutt": (lines(WHEN, FROM, TO, SUBJECT, b"Message-ID: <20260102081530.GA1234@%s>", MIME, b"Content-Type: text/plain; charset=us-ascii", b"Content-Disposition: inline", b"User-Agent: Mutt/2.2"), TEXT),
    "NeoMutt with PGP": (lines(WHEN, FROM, TO, SUBJECT, b"Message-ID: <x@%s>", MIME, b"Content-Type: multipart/signed; micalg=pgp-sha512;\r\n\tprotocol=\"application/pgp-signature\"; boundary=\"a/b+c\""), NESTED),
    "Evolution": (lines(b"Message-ID: <abc.camel@%s>", SUBJECT, FROM, TO, WHEN, b"Content-Type: text/plain; charset=\"UTF-8\"", b"Content-Transfer-Encoding: base64", b"User-Agent: Evolution 3.52", MIME), BASE64),
    "KMail": (lines(FROM, TO, SUBJECT, WHEN, b"Message-ID: <4567890.abcDEF@laptop.%s>", MIME, b"Content-Transfer-Encoding: 8Bit", PLAIN), EIGHT_BIT),
    "Claws Mail": (lines(WHEN, FROM, TO, SUBJECT, b"Message-ID: <20260102091530.1a2b@%s>", b"X-Mailer: Claws Mail 4.2.0", MIME, PLAIN), TEXT),
    "Alpine": (lines(WHEN, FROM, TO, SUBJECT, b"Message-ID: <alpine.DEB.2.21.1@%s>", b"User-Agent: Alpine 2.26", MIME, b"Content-Type: text/plain; format=flowed; charset=US-ASCII"), FLOWED),
    "Gnus": (lines(FROM, TO, SUBJECT, WHEN, b"Message-ID: <87abc.fsf@%s>", b"User-Agent: Gnus/5.13 (Gnus v5.13)", MIME, b"Content-Type: text/plain"), TEXT),
    "Roundcube": (lines(MIME, WHEN, FROM, TO, SUBJECT, b"User-Agent: Roundcube Webmail/1.6", b"Message-ID: <hash@%s>", b"X-Sender: ada@%s", b"Content-Type: text/plain; charset=US-ASCII;\r\n format=flowed", b"Content-Transfer-Encoding: 7bit"), FLOWED),
    "SquirrelMail": (lines(b"Message-ID: <1.2.squirrel@%s>", WHEN, SUBJECT, FROM, TO, b"User-Agent: SquirrelMail/1.5.2", MIME, b"X-Priority: 3 (Normal)", b"Importance: Normal"), MANY_EMPTY),
    "Horde": (lines(WHEN, b"Message-ID: <h.Horde.x@%s>", FROM, TO, SUBJECT, b"User-Agent: Horde Application Framework 5", b"Content-Type: text/plain; charset=utf-8; format=flowed; DelSp=Yes", MIME), FLOWED),
    "Yahoo": (lines(WHEN, FROM, TO, b"Message-ID: <123.456@mail.%s>", SUBJECT, MIME, b"Content-Type: multipart/alternative; \r\n\tboundary=\"----=_Part_1_2.3\"", b"References: <123.456.ref@mail.%s>", b"X-Mailer: WebService/1.1.2"), NESTED),
    "Proton": (lines(WHEN, TO, FROM, SUBJECT, b"Message-ID: <longbase64text==@%s>", b"Feedback-ID: 1:user:proton", MIME, b"Content-Type: text/plain; charset=utf-8", b"Content-Transfer-Encoding: base64"), BASE64),
    "Fastmail": (lines(b"X-ME-Sender: <xms:abc>", b"X-ME-Received: <xmr:abc>", MIME, b"X-ThreadId: T1", WHEN, FROM, TO, b"Message-Id: <uuid@app.%s>", SUBJECT, PLAIN), TEXT),
    "Zoho": (lines(WHEN, FROM, b"To: \"bob\" <bob@proj.example>", b"Message-Id: <1.2.3@%s>", SUBJECT, MIME, b"Content-Type: multipart/alternative; \r\n\tboundary=\"----=_Part_9\"", b"Importance: Medium"), NESTED),
    "Amazon SES": (lines(FROM, TO, SUBJECT, MIME, PLAIN, b"Message-ID: <0100-abc-000000@email.%s>", WHEN, b"Feedback-ID: ::1.us-east-1.abc=:AmazonSES", b"X-SES-Outgoing: 2026.01.02-1.2.3.4"), QUOTED),
    "SendGrid": (lines(b"Content-Type: multipart/alternative; boundary=abcdef", WHEN, FROM, b"Mime-Version: 1.0", b"Message-ID: <AbC_dEf@geopod-1>", SUBJECT, b"X-SG-EID:\r\n =?us-ascii?Q?" + b"x" * 50 + b"?=\r\n =?us-ascii?Q?" + b"y" * 50 + b"?=", TO, b"X-Entity-ID: u001.x=="), NESTED),
    "Mailgun": (lines(b"X-Mailgun-Sid: WyJh=", b"Content-Transfer-Encoding: quoted-printable", b"X-Mailgun-Variables: {\"a\": \"b\",\r\n \"c\": 1}", SUBJECT, FROM, TO, WHEN, b"Message-Id: <2026.1@%s>", MIME, PLAIN), QUOTED),
    "Mailchimp": (lines(FROM, b"Reply-To: Ada <ada@%s>", TO, WHEN, b"Message-ID: <a.b.c@mail.%s>", b"X-Mailer: MailChimp Mailer - **CIDx**", b"List-ID: list <x.list-id.%s>", b"List-Unsubscribe: <https://u.%s/?u=1&id=2>, <mailto:u@%s?subject=u>", b"List-Unsubscribe-Post: List-Unsubscribe=One-Click", SUBJECT, MIME, b"Content-Type: text/html"), LONG),
    "Postmark": (lines(MIME, FROM, TO, SUBJECT, WHEN, b"Message-Id: <uuid@mtasv.%s>", b"X-PM-Message-Id: uuid", b"Feedback-ID: s1-_:s1:a1:postmark", PLAIN), TEXT),
    "SparkPost": (lines(b"X-MSFBL: abc|eyJ", b"Content-Type: multipart/alternative; boundary=\"_----x\"", WHEN, FROM, TO, SUBJECT, b"Message-ID: <A1.B2@mta.%s>", MIME), NESTED),
    "Salesforce": (lines(FROM, TO, SUBJECT, WHEN, b"List-Unsubscribe: <mailto:leave-x@%s>", b"MIME-Version: 1.0", b"Reply-To: \"Ada\" <reply-x@%s>", b"List-ID: <1.xt.local>", b"X-SFMC-Stack: 1", b"x-job: 1_2", b"Message-ID: <uuid@x.%s>", b"Content-Type: text/html; charset=us-ascii"), LONG),
    "cron by Postfix": (lines(b"Received: by host.%s (Postfix, from userid 0)\r\n\tid ABC123; " + DATE + b" (UTC)", b"From: root@%s (Cron Daemon)", b"To: bob@proj.example", b"Subject: Cron <root@host> run-parts", MIME, PLAIN, b"X-Cron-Env: <SHELL=/bin/sh>", b"X-Cron-Env: <HOME=/root>", b"Message-Id: <20260102.ABC@host.%s>", WHEN), TEXT),
    "mail(1)": (lines(WHEN, b"To: bob@proj.example", SUBJECT, b"User-Agent: s-nail v14.9.24", b"Message-Id: <x@%s>", b"From: ada@%s"), TEXT),
    "Python's smtplib": (lines(b"Content-Type: text/plain; charset=\"utf-8\"", b"Content-Transfer-Encoding: 8bit", MIME, SUBJECT, b"From: ada@%s", b"To: bob@proj.example", WHEN), EIGHT_BIT),
    "PHPMailer": (lines(WHEN, TO, FROM, SUBJECT, b"Message-ID: <AbCd@%s>", b"X-Mailer: PHPMailer 6.9 (https://example.org)", MIME, b"Content-Type: multipart/alternative;\r\n boundary=\"b1=_x\"", b"Content-Transfer-Encoding: 8bit"), NESTED),
    "JavaMail": (lines(WHEN, FROM, TO, b"Message-ID: <123.0.1767.JavaMail.app@host.%s>", SUBJECT, MIME, b"Content-Type: multipart/mixed; \r\n\tboundary=\"----=_Part_0_1.2\""), NESTED),
    "Nodemailer": (lines(b"Content-Type: multipart/alternative;\r\n boundary=\"--_NmP-x-Part_1\"", FROM, TO, SUBJECT, b"Message-ID: <uuid@%s>", WHEN, MIME), NESTED),
    "Ruby's ActionMailer": (lines(WHEN, b"From: ada@%s", b"To: bob@proj.example", b"Message-ID: <x.mail@host.%s>", SUBJECT, b"Mime-Version: 1.0", b"Content-Type: text/html;\r\n charset=UTF-8", b"Content-Transfer-Encoding: quoted-printable"), QUOTED),
    "GitHub": (lines(WHEN, b"From: Ada <notifications@%s>", b"Reply-To: x/y <reply+abc@reply.%s>", b"To: x/y <y@noreply.%s>", b"Cc: Bob <bob@proj.example>,\r\n Mention <mention@noreply.%s>", b"Message-ID: <x/y/pull/1/c2@%s>", b"Subject: Re: [x/y] Noon (#1)", MIME, b"Content-Type: multipart/alternative;\r\n boundary=\"--==_mimepart_1\";\r\n charset=UTF-8", b"Precedence: list", b"X-GitHub-Reason: mention", b"List-ID: x/y <y.x.%s>"), NESTED),
    "GitLab": (lines(WHEN, FROM, b"Reply-To: GitLab / x <incoming+x@%s>", TO, b"Message-ID: <note_1@%s>", b"In-Reply-To: <issue_1@%s>", b"References: <reply-x@%s>\r\n <issue_1@%s>", b"Subject: Re: x | Noon (#1)", b"Mime-Version: 1.0", PLAIN, b"X-GitLab-Project: x"), TEXT),
    "Launchpad": (lines(b"Content-Type: text/plain; charset=\"utf-8\"", MIME, b"Content-Transfer-Encoding: quoted-printable", WHEN, b"From: Ada <1234@bugs.%s>", b"To: bob@proj.example", b"Reply-To: Bug 1234 <1234@bugs.%s>", b"Sender: bounces@%s", b"X-Launchpad-Bug: distribution=x; status=New;\r\n importance=Undecided; assignee=None;", b"Subject: [Bug 1234] Noon", b"Message-Id: <1.2.3.launchpad@%s>", b"Precedence: bulk"), QUOTED),
    "Debian bug tracker": (lines(b"Received: via spool by submit@bugs.%s id=B.1;\r\n          " + DATE, b"From: Ada <ada@%s>", b"To: 1234@bugs.%s, bob@proj.example", SUBJECT, b"X-Debian-PR-Message: report 1234", b"Message-ID: <handler@bugs.%s>", WHEN), TEXT),
    "Mailman 2": (lines(FROM, TO, WHEN, b"Message-ID: <x@%s>", SUBJECT, b"X-BeenThere: talk@lists.%s", b"X-Mailman-Version: 2.1.39", b"Precedence: list", b"List-Id: Talk <talk.lists.%s>", b"List-Unsubscribe: <https://lists.%s/options/talk>, \r\n <mailto:talk-request@lists.%s?subject=unsubscribe>", b"Errors-To: talk-bounces@lists.%s"), MANY_EMPTY),
    "Mailman 3": (lines(FROM, TO, WHEN, SUBJECT, b"Message-ID-Hash: ABCDEF", b"X-Message-ID-Hash: ABCDEF", b"Message-ID: <x@%s>", b"X-Mailman-Version: 3.3.9", b"List-Id: <talk.lists.%s>", b"Archived-At: <https://lists.%s/archives/x/>", MIME, PLAIN), TEXT),
    "Sympa": (lines(FROM, TO, WHEN, SUBJECT, b"Message-ID: <x@%s>", b"X-Loop: talk@lists.%s", b"X-Sequence: 12", b"List-Id: <talk.lists.%s>", b"X-no-archive: yes"), EMPTY),
    "Discourse": (lines(WHEN, b"From: Ada via Forum <forum@%s>", b"Reply-To: Forum <reply+x@%s>", b"To: bob@proj.example", b"Message-ID: <topic/1/2@forum.%s>", b"References: <topic/1@forum.%s>", SUBJECT, MIME, b"Auto-Submitted: auto-generated", b"Content-Type: multipart/alternative; boundary=x"), NESTED),
    "Jira": (lines(WHEN, b"From: \"Ada (JIRA)\" <jira@%s>", b"To: bob@proj.example", b"Message-ID: <JIRA.1.2.3@%s>", b"Subject: [JIRA] (X-1) Noon", MIME, b"Content-Type: multipart/alternative; boundary=\"----=_Part_1\"", b"X-JIRA-FingerPrint: abc"), NESTED),
    "Exim's bounce": (lines(b"From: Mail Delivery System <Mailer-Daemon@%s>", b"To: bob@proj.example", b"Auto-Submitted: auto-replied", b"References: <x@%s>", b"Content-Type: multipart/report; report-type=delivery-status; boundary=1-eximdsn-2", MIME, b"Subject: Mail delivery failed: returning message to sender", b"Message-Id: <E1a-1@%s>", WHEN), NESTED),
    "Postfix's bounce": (lines(WHEN, b"From: MAILER-DAEMON@%s (Mail Delivery System)", b"Subject: Undelivered Mail Returned to Sender", b"To: bob@proj.example", b"Auto-Submitted: auto-replied", MIME, b"Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"ABC.1/mx\"", b"Message-Id: <20260102.X@mx.%s>"), NESTED),
    "a hand-written script": (lines(b"from:ada@%s", b"TO:\tbob@proj.example", b"subject:", b"MIME-version:   1.0", b"X-Odd:   two  spaces\tand a tab  ", b"X-Long: " + b"a" * 500, b"X-Folded:\r\n\t\r\n\tafter an empty line", b"dAtE: " + DATE), NO_LAST_LINE),
    "an unencoded one": (lines("From: Ada Bÿron <ada@%s>".encode("latin-1"), "Subject: Grüße".encode(), b"To: bob@proj.example", b"X-Octets: \xff\xfe\x01", WHEN), EIGHT_BIT),
}  # fmt: skip


def message_of(maker: str, domain: bytes) -> bytes:
    """The message of a maker with an author's domain."""
    head, body = MAKERS[maker]
    return head.replace(b"%%", b"%").replace(b"%s", domain) + b"\r\n" + body
