"""Where the BadNet comes from: a file, or training under an attack."""

from fineprune.badnets.source import BadNet, FromFile, Source
from fineprune.badnets.trained import Trained

__all__ = ["BadNet", "FromFile", "Source", "Trained"]
