"""Pretend servers on loopback for the demo and the tests; production never starts any of them."""
