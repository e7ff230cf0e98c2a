"""Settings: found, read, checked and trusted."""
