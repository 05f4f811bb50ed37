"""Labelled images from strangers: read whole, checked and brought to one form, by the process that vets files."""
