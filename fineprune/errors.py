"""The errors that a user can cause. Each message is one line: what was expected, what was received, what to do."""


class FinepruneError(Exception):
    """Base of all errors that are the user's to mend; the runners print the message alone and exit with 2."""


class ConfigError(FinepruneError):
    """A setting has a value that cannot be meant."""


class DataError(FinepruneError):
    """A data file is missing, damaged, or not in the expected layout."""


class ModelError(FinepruneError):
    """A network's file is missing, damaged, unsafe, or does not fit the data or another network."""


class NotApplicable(FinepruneError):
    """A strategy cannot work on this network."""


class TrackingError(FinepruneError):
    """The log of runs cannot be reached."""
