"""The relay beside Postfix and others: the same load, the same sink, the same minutes."""
