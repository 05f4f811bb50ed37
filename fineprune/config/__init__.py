"""From the command line to objects: settings, grids, and whether two runs are the same."""
