"""The labels of every pruned net, everything that they share computed once."""
