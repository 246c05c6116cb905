"""How fast the portal is, beside bare Flask pages: `script/bench portal`."""
