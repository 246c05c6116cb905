"""What the relay says in its own words (RFC 5321 §4.2, RFC 3463)."""

from core.routing import Reply

OK = Reply(250, "2.0.0", "Ok")
SENDER_OK = Reply(250, "2.1.0", "Sender ok")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient ok")
BYE = Reply(221, "2.0.0", "Bye")
CANNOT_VERIFY = Reply(252, "2.5.0", "Cannot verify, send the message and see")
START_TLS = Reply(220, "2.0.0", "Ready to start TLS")

# The dialogue
HELO_FIRST = Reply(503, "5.5.1", "Say EHLO first")
MAIL_FIRST = Reply(503, "5.5.1", "Say MAIL first")
NESTED_MAIL = Reply(503, "5.5.1", "One MAIL at a time")
RCPT_FIRST = Reply(503, "5.5.1", "No valid recipients")
NO_TLS = Reply(503, "5.5.1", "TLS is not available")
SYNTAX = Reply(501, "5.5.4", "Syntax error")
BARE_NEWLINE = Reply(500, "5.5.2", "A line ends with CRLF")
LINE_TOO_LONG = Reply(500, "5.5.2", "Command line too long")
UNKNOWN_COMMAND = Reply(500, "5.5.2", "Command not recognized")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors")
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "Too many commands without a message")
TIMED_OUT = Reply(421, "4.4.2", "Timed out waiting for you")
TOO_SLOW = Reply(421, "4.4.2", "The message comes too slowly")
STOPPING = Reply(421, "4.3.2", "Shutting down, try again later")
FAULT = Reply(451, "4.3.0", "Something is out of order here, try again later")

# Who may send how much
TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Too many connections, try again later")
TOO_MANY_UNKNOWN = Reply(421, "4.7.0", "Too many unknown addresses, try again later")
TOO_MUCH_MAIL = Reply(451, "4.7.1", "Too much mail from this sender to this address, try again later")
NO_MEMORY = Reply(452, "4.3.1", "Too much mail at once, try again later")

# Recipients
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients, send the others in another transaction")
ASK_ALONE = Reply(452, "4.5.3", "Send to this recipient in a transaction of its own")
NEEDS_SMTPUTF8 = Reply(553, "5.6.7", "An internationalized address needs SMTPUTF8")
UNSURE = Reply(451, "4.3.0", "The address cannot be looked up now, try again later")
FORGED_RETURN = Reply(550, "5.1.1", "This return address is not valid, or no longer")
RETURN_FOR_BOUNCES = Reply(550, "5.7.1", "This return address takes delivery reports only")

# Messages
TOO_BIG = Reply(552, "5.3.4", "The message is too big")
HEADER_TOO_BIG = Reply(552, "5.3.4", "The header of the message is too big")
BARE_NEWLINE_IN_MESSAGE = Reply(550, "5.6.11", "The message has a bare CR or LF")
TOO_MANY_HOPS = Reply(554, "5.4.6", "The message has passed too many servers")
NOT_AUTHENTIC = Reply(
    550, "5.7.1", "The domain in From asks to refuse mail which it did not authenticate (DMARC)"
)
UNDECIDED = Reply(451, "4.7.0", "The domain in From cannot be looked up now, try again later")
