"""From settings to the objects that they name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from fineprune import names
from fineprune.aftermath import Aftermath
from fineprune.attacks.base import Attack
from fineprune.badnets.source import BadNet, FromFile, Source, read_network
from fineprune.checks import Image, Seed, Share, checked
from fineprune.config import identity
from fineprune.config.choices import written
from fineprune.config.grids import grid_name
from fineprune.config.instantiate import flat, instantiate
from fineprune.data.draw import Draw
from fineprune.data.shift import Shift
from fineprune.data.split import Data, Split
from fineprune.errors import ConfigError, plain, without_secrets
from fineprune.files import write_text
from fineprune.report.records import Record, now
from fineprune.strategy import Strategy
from fineprune.sweeping import budgets
from fineprune.sweeping.repaired import Repaired
from fineprune.tracking import Tracking
from fineprune.training.fine_tuning import FineTuning


@dataclass(frozen=True)
class Experiment:
    """Everything that a sweep needs, with its names."""

    badnet: BadNet
    strategy: Strategy
    finetuning: FineTuning | None
    stages: list[Aftermath]
    held_out: float
    tracking: Tracking
    tags: dict[str, str]

    @property
    def title(self) -> str:
        """As `channel_activation, sunglasses on synthetic_faces`, or `channel_activation, csaw_lab on csaw_lab`."""
        return f"{self._what}, {self._subject} on {self.tags['data']}"

    def name(self, seed: int) -> str:
        """The same with the seed, as `channel_activation · sunglasses · 0 · synthetic_faces`."""
        return names.run(self._what, self._subject, seed, self.tags["data"])

    @property
    def _what(self) -> str:
        preset = f"{self.tags['experiment']}: " if "experiment" in self.tags else ""
        return f"{preset}{names.method(self.tags['strategy'], self.tags.get(names.TUNING, ''))}"

    @property
    def _subject(self) -> str:
        return names.subject(self.tags["attack"], self.tags["badnet"])


def build(settings: DictConfig, badnet: BadNet | None = None) -> Experiment:
    """Make what `settings` names, the cheap parts first, so that a mistake shows early; `badnet` if it is there yet."""
    parts = build_parts(settings)
    strategy, finetuning, shift = parts.strategy, parts.finetuning, parts.shift
    badnet = badnet or _as_the_defender_has_it(obtain_badnet(settings), parts.draw, shift)
    choices = HydraConfig.get().runtime.choices
    tags = {
        "strategy": names.titled(choices["strategy"], strategy.variant),
        "finetune": choices["finetune"],
        "badnet": named(settings.badnet, choices["badnet"]),
        "attack": badnet.attack,
        "architecture": badnet.network.model.name,
        "data": badnet.data.name,
        "needs": strategy.needs,
        "classes": str(badnet.network.classes),
    }
    tags |= {kind: "true" for kind in ("oracle", "control") if getattr(strategy, kind)}
    tags |= {names.TUNING: finetuning.name} if finetuning else {}
    tags |= {"shift": choices["shift"]} if shift else {}
    tags |= {names.CHANGED: " ".join(_changed(settings))}
    tags |= {"experiment": choices["experiment"]} if choices.get("experiment") else {}
    tags |= {"grid": grid} if (grid := grid_name(settings)) else {}
    return Experiment(badnet, strategy, finetuning, parts.stages, parts.held_out, parts.tracking, tags)


@dataclass(frozen=True)
class Parts:
    """What an experiment is made of beside its BadNet."""

    strategy: Strategy
    finetuning: FineTuning | None
    tracking: Tracking
    stages: list[Aftermath]
    held_out: float
    draw: Draw
    shift: Shift | None


def build_parts(settings: DictConfig) -> Parts:
    """Make all that `settings` names but the BadNet: it takes no time, so that a mistake shows early."""
    strategy, finetuning = build_method(settings)
    tracking: Tracking = instantiate(settings.tracking, Tracking)
    stages = obtain_stages(settings)
    held_out = check_held_out(settings.held_out)
    budgets.check(settings.budgets)
    check_quiet(settings.quiet)
    check_seed(settings.seed)  # before those of the parts, which it is unless they are set
    shift: Shift | None = instantiate(settings.shift, Shift, or_none=True)
    return Parts(strategy, finetuning, tracking, stages, held_out, Draw(**settings.draw), shift)


def build_method(settings: DictConfig) -> tuple[Strategy, FineTuning | None]:
    """The strategy and the fine-tuning that `settings` name. Raises ConfigError where they cannot have a value."""
    return instantiate(settings.strategy, Strategy), instantiate(settings.finetune, FineTuning, or_none=True)


def _as_the_defender_has_it(badnet: BadNet, draw: Draw, shift: Shift | None) -> BadNet:
    """With so many clean validation images, and shifted, as the settings say."""
    if not (clean := badnet.data.clean_valid):
        return badnet
    drawn = draw.of(clean)
    return replace(badnet, data=replace(badnet.data, clean_valid=shift.of(drawn) if shift else drawn))


def named(badnet: DictConfig, choice: str) -> str:
    """What the BadNet is called: a file that has no choice of its own by its name."""
    file = badnet.get("model") or badnet.get("weights")
    return plain(Path(str(file)).stem) if choice == "h5" and file else choice


def _changed(settings: DictConfig) -> Iterator[str]:
    """The settings of strategy and fine-tuning that are not those of their files."""
    choices, chosen = HydraConfig.get().runtime.choices, flat(settings)
    for group in ("strategy", "finetune"):
        file = written(f"{group}/{choices[group]}")
        if file.exists():  # a user's own is elsewhere
            own = flat(OmegaConf.create({"seed": settings.seed, group: OmegaConf.load(file)}))
            yield from (key for key, value in chosen.items() if key.startswith(f"{group}.") and own.get(key) != value)


def obtain_badnet(settings: DictConfig) -> BadNet:
    """The BadNet that `settings` names, with its data."""
    seed = check_seed(settings.seed)
    source: Source = instantiate(settings.badnet, Source)
    return source.obtain(instantiate(settings.data, Data), instantiate(settings.attack, Attack), seed)


def obtain_images(settings: DictConfig) -> Data:
    """The data that `settings` names, without the BadNet; with the poisoned images of the attack unless it has some."""
    check_seed(settings.seed)
    source: Source = instantiate(settings.badnet, Source)
    return source.images(instantiate(settings.data, Data), instantiate(settings.attack, Attack))


def obtain_repaired(settings: DictConfig, images: Split) -> Repaired:
    """The GoodNet that `settings` names for such `images`: in one file, or a BadNet from a file and its pruned net."""
    if (settings.pruned is None) == (settings.goodnet is None):
        both = "both" if settings.pruned else "neither"
        raise ConfigError(f"expected either goodnet=FILE or badnet and pruned=FILE, got {both}: set one of them")
    if settings.goodnet:
        return Repaired.read(str(settings.goodnet), images.shape)
    source: FromFile = instantiate(settings.badnet, FromFile)
    badnet = source.read(images.shape)
    return Repaired.of(badnet, read_network(str(settings.pruned), settings.architecture.name, images.shape))


def obtain_stages(settings: DictConfig) -> list[Aftermath]:
    """The stages of the aftermath that `settings` names, in the order of their names; an empty list chooses none."""
    chosen = settings.get("aftermath") or {}
    return [instantiate(chosen[name], Aftermath) for name in sorted(chosen)]


@checked("")
def check_held_out(held_out: Share) -> float:
    """`held_out`; raises ConfigError unless it is a fraction between 0 and 1."""
    return held_out


@checked("")
def check_quiet(quiet: bool) -> None:
    """Raise ConfigError unless `quiet` is true or false."""


@checked("")
def check_image(image: Image | None) -> tuple[int, int, int] | None:
    """`image`; raises ConfigError unless it is the size of one."""
    return image


def check_new(out: str) -> Path:
    """The path `out`; raises ConfigError unless it names an HDF5 file that is not there yet."""
    path = Path(out)
    if path.suffix not in (".h5", ".hdf5"):
        raise ConfigError(f"expected out to name an HDF5 file, got {out!r}: set out=NAME.h5")
    if path.exists() or path.is_symlink():
        raise ConfigError(f"expected out to name a file that is not there yet, got {path}: set another, or remove it")
    return path


@checked("")
def check_seed(seed: Seed) -> int:
    """`seed`; raises ConfigError unless every random generator takes it."""
    return seed


def record(settings: DictConfig, parts: Experiment) -> Record:
    """The run's record before there are results."""
    params = {key: value for key, value in flat(settings).items() if key != "grid"}
    name_tags = {key: value for key, value in parts.tags.items() if key != "grid"}
    run_identity = identity.of_run(params, name_tags, parts.badnet, parts.strategy, parts.finetuning, parts.stages)
    tags = {**parts.tracking.context(), **parts.tags, "identity": run_identity}
    return Record(uuid4().hex, parts.name(settings.seed), now(), params, tags)


def save_settings(settings: DictConfig, folder: Path) -> Path:
    """Write the resolved settings, without passwords, to `config.yaml`."""
    write_text(folder / "config.yaml", without_secrets(OmegaConf.to_yaml(settings, resolve=True)))
    return folder / "config.yaml"
