"""A strategy, an attack and a data set for fineprune, from a package of their own."""
