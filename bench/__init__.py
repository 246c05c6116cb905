"""Measures the product beside its peers, in the same run. `script/bench` starts it."""
