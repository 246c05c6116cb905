"""How Lighthouse judges the portal's pages: `script/bench lighthouse`."""
