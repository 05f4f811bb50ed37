"""Files from strangers: read in a process of their own, under limits, without running anything in them."""
