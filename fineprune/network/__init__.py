"""The network under examination: its graph, its units, and what each edit of a step does to it."""
