"""State dicts of PyTorch: tensors by name, read without PyTorch and without running what their pickle asks for."""
