"""The rules of Waypost: what is stored, who is entitled to what, and where mail goes."""
