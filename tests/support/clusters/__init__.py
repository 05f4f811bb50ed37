"""Small clusters on this machine, by the daemons of real ones."""
