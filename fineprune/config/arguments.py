"""From what `fineprune.sweep()` is given to the objects of a sweep, and the same path as the runner's from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras as keras
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from fineprune import names, plugins
from fineprune.aftermath import Aftermath
from fineprune.badnets.source import BadNet, shape_of
from fineprune.config.choices import CONF, check, choices
from fineprune.config.instantiate import instantiate
from fineprune.config.setup import check_held_out, check_seed, obtain_stages
from fineprune.data.files import H5Split
from fineprune.data.from_files import check_name, scaling
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, Data, Split
from fineprune.errors import ConfigError, DataError
from fineprune.network.network import Network
from fineprune.progress import hidden
from fineprune.report.result import Result
from fineprune.strategy import Strategy
from fineprune.sweeping import budgets
from fineprune.sweeping.plan import plan
from fineprune.sweeping.run import run
from fineprune.training.fine_tuning import FineTuning
from fineprune.untrusted import keras_build, network_files
from fineprune.untrusted.keras_config import Shape


def sweep(
    network: Any,
    strategy: Any,
    images: Mapping[str, Any],
    poisoned: Any,
    allowed: Any,
    finetune: Any,
    aftermath: Any,
    held_out: float,
    seed: int,
    *of_pixels: Any,
) -> Result:
    """What `fineprune.sweep` says, of the clean `images` by their names, and of pixels by their scale, mean and std."""
    becomes = scaling(*of_pixels)
    check_held_out(held_out)
    check_seed(seed)
    made = _chosen("strategy", strategy, Strategy, seed)
    finetuning = _chosen("finetune", finetune, FineTuning, seed)
    given = aftermath if _is_list(aftermath) else [aftermath]
    stages = [stage for each in given for stage in _stages(each, seed)]
    if not isinstance(poisoned, Mapping):
        raise ConfigError(
            f"expected poisoned to map names of triggers to images, got {type(poisoned).__name__}"
            ': give {"sunglasses": images}'
        )
    for trigger in poisoned:
        check_name(trigger)
    clean = {name: _split(given, name, becomes) for name, given in images.items() if given is not None}
    triggers = {name: _split(given, f"poisoned[{name!r}]", becomes) for name, given in poisoned.items()}
    data = Data("given", **clean, poisoned=triggers)
    badnet = BadNet(Network(_network(network, shape_of(data))), data)
    falls = [budgets.fraction(budget) for budget in allowed] if _is_list(allowed) else allowed
    with hidden():
        result = run(plan(badnet, made, finetuning, falls, held_out, seed, stages))
    name = names.titled(strategy if isinstance(strategy, str) else type(strategy).__name__, made.variant)
    return Result(result, f"{names.method(name, finetuning.name if finetuning else '')} on {badnet.network.model.name}")


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _chosen(group: str, given: Any, kind: type, seed: int) -> Any:
    """`given` itself, or what the choice of that name in `conf/` makes with its defaults; None as it is, if allowed."""
    if isinstance(given, kind) or (given is None and group == "finetune"):
        return given
    if not isinstance(given, str):
        raise _unlike(group, kind, given)
    return instantiate(_composed(group, given, seed)[group], kind, or_none=group == "finetune")


def _stages(given: Any, seed: int) -> list[Aftermath]:
    """`given` itself, or what the choice of that name in `conf/aftermath` makes with its defaults."""
    if isinstance(given, Aftermath):
        return [given]
    if not isinstance(given, str):
        raise _unlike("aftermath", Aftermath, given)
    return obtain_stages(_composed("aftermath", given, seed))


def _unlike(group: str, kind: type, given: Any) -> ConfigError:
    return ConfigError(
        f"expected {group} to be of class {kind.__name__} or the name of a choice, got {type(given).__name__}"
        f": give one of {', '.join(choices(group))}"
    )


def _composed(group: str, choice: str, seed: int) -> DictConfig:
    """The settings of a sweep with this choice."""
    check(group, choice, choices(group))
    plugins.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("sweep", [f"{group}={choice}", f"seed={seed}"])


def _network(given: Any, shape: Shape | None) -> keras.Model:
    """The network, for images of `shape` where it takes any."""
    if isinstance(given, str | Path):
        return network_files.load_model(given, shape=shape)
    if not isinstance(given, keras.Model):
        raise ConfigError(
            f"expected network to be a tf_keras model or the path of one, got {type(given).__module__}."
            f"{type(given).__name__}: give one of these"
        )
    if shape and given.inputs and None in tuple(given.inputs[0].shape[1:]):
        image = keras.Input(shape)
        given = keras.Model(image, given(image), name=given.name)
    return keras_build.classifier(given, "the model given")


def _split(given: Any, name: str, becomes: Scaling) -> Split:
    """`given` if it is a split; one of its arrays; or one of the file that it names."""
    match given:
        case Split():
            return given
        case str() | Path():
            return H5Split(given, becomes, name)
        case (images, labels):
            return _in_memory(np.asarray(images), np.asarray(labels), becomes, name)
    raise ConfigError(
        f"expected {name} to be a Split, a pair of arrays (images, labels) or the path of an HDF5 file, got "
        f"{type(given).__name__}: give one of these"
    )


def _in_memory(images: Any, labels: Any, becomes: Scaling, name: str) -> ArraySplit:
    """The split of these arrays, whose images are as the network takes them: what pixels become."""
    if not becomes.is_plain:
        raise ConfigError(
            f"expected {name} to be the path of an HDF5 file where mean or std are set, got arrays: give these as the "
            "network takes them, and leave mean and std out"
        )
    if images.ndim != 4 or images.dtype.kind not in "uif":
        raise DataError(
            f"expected images of {name} to be numbers of shape (n, height, width, channels), got {images.dtype} of "
            f"{images.shape}: give them as the network takes them"
        )
    if labels.shape != images.shape[:1]:
        raise DataError(
            f"expected labels of {name} to be one for each of {len(images)} images, got shape {labels.shape}"
            ": one-hot labels need .argmax(axis=1)"
        )
    if len(labels) and not (labels.dtype.kind in "ui" and labels.min() >= 0):
        raise DataError(
            f"expected labels of {name} to be whole numbers from 0, got {labels.dtype} from {labels.min()}"
            ": give classes by number"
        )
    if not np.isfinite(images).all():
        raise DataError(f"expected finite images of {name}, got NaN or infinity: scale them as the network takes them")
    white = 255 * becomes.scale
    if images.size and images.min() >= 0 and images.max() > white * (1 + 1e-6):
        raise DataError(
            f"expected images of {name} from 0 to {white:g}, 255 times pixel_scale, got one with {images.max():g}"
            ": set pixel_scale to what pixels were multiplied by"
        )
    return ArraySplit(images, labels.astype(np.int64), Scaling(), white=white)
