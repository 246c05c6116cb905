"""What hypothesis tries in several tests."""

from datetime import UTC, datetime

from hypothesis import strategies as st

_FIRST, _LAST = 1_767_225_600, 1_798_761_600  # the year 2026

moments = st.integers(_FIRST, _LAST).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
"""Moments of 2026 in whole seconds, as they are stored."""
