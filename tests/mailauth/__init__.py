"""Tests of the mail authentication modules."""
