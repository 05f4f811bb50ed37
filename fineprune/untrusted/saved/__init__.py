"""What Keras saves: networks, weights by names or by their layers' places in a tree, and GoodNets."""
