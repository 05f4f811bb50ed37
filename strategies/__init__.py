"""One file a strategy: what is pruned, in which order."""
