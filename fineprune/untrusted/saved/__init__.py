"""Networks whose weights stand by their layers' places in the tree of layers, rather than by names."""
