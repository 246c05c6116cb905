"""Mail authentication, one RFC or scheme a module. Pure: knows nothing of Waypost."""
