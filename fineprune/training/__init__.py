"""Training a network: with any loss, towards sparsity, or fine-tuning what was pruned."""

from fineprune.training.fine_tuning import FineTuning

__all__ = ["FineTuning"]
