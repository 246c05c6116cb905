"""The mail path: its own process, which takes mail, routes it and hands it on before it answers."""
