"""What a strategy is: a series of steps, each of which says how its net differs from the untouched BadNet."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, dataclass_transform

import numpy as np

from fineprune.checks import Count, Extent, Fractions, Layers, take_settings
from fineprune.errors import ConfigError, StrategyError
from fineprune.network.step import Array, Mask, Scale, Silence, Step

if TYPE_CHECKING:
    from fineprune.data.split import Split
    from fineprune.network.network import Network

MASKS = 2**28  # values that the masks of all steps may hold: 1 GiB

Scope = Literal["global", "layer"]
Normalisation = Literal["none", "z", "l2"]
Form = Literal["published", "silent"]

THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of masks that are left soft

NOTHING, IMAGES, LABELS, POISONED = "nothing", "images", "labelled images", "poisoned images"


@dataclass_transform(kw_only_default=True, eq_default=False)
class Strategy(ABC):
    """A pruning defence. It sees the network and clean validation images, and changes neither.

    What a class annotates are its settings, `chunk: Count = 1` for instance: the constructor takes them by keyword, and
    raises a ConfigError where one is not what its annotation asks for.

    - `needs` is what it uses of these images: `NOTHING`, `IMAGES` or `LABELS`. One that needs `POISONED` images, which
      no defender has, is an oracle: it alone is handed them, as `poisoned`, by their names; every table shows it apart.
    - `trains` says that it fits weights, masks or caps to the images, so that budgets have to be judged by others. To
      rank channels by them fits nothing.
    - A `control` is there to be beaten, as random channels are.
    - `variant` names, in every table, the settings that make another strategy of it.
    - `trials` are cheap settings in which `fineprune.testing` tries it.
    """

    trials: ClassVar[Sequence[Mapping[str, Any]]] = ({},)
    needs = IMAGES
    trains = False
    control = False
    variant = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for fact in ("needs", "trains", "control", "variant", "trials"):  # no settings, also where they are annotated
            vars(cls).get("__annotations__", {}).pop(fact, None)
        take_settings(cls, "strategy")

    @property
    def oracle(self) -> bool:
        """Whether it sees what no defender sees."""
        return self.needs == POISONED

    @abstractmethod
    def steps(self, network: Network, clean: Split, **oracle: Any) -> Iterator[Step]:
        """From least to most changed, lazily. Raises NotApplicable where the network lacks what the strategy needs.

        `oracle` holds `poisoned`, a mapping of names to splits, for an oracle, and nothing for any other strategy.
        """

    def ranked_at(self, network: Network) -> Mapping[str, str]:
        """The layers that are ranked by what another layer emits, and that one: what a sweep says of its steps."""
        return {}


class ChannelStrategy(Strategy):
    """Prunes the channels with the lowest scores first, `chunk` of them a step; of equal scores the first.

    The last step prunes the share `most` of all channels: a sweep of every layer finds its budgets long before the end.

    - `layers` are those to prune, as `Network.layers` reads it.
    - `normalise` makes the scores of several layers comparable: "z" takes their distance from the layer's mean, in its
      standard deviations (`z_scores`), "l2" divides them by their norm (Molchanov et al., ICLR 2017).
    - `scope="global"` ranks all layers together, "layer" prunes the same share of each at each step.

    The defaults of these three are what the paper does. `threshold` names that of the paper, if it has one: channels
    that lie more than so many deviations below the mean are pruned. It is then the amount of a step, as long as scores
    are such deviations.
    """

    chunk: Count = 1
    most: Extent = 1.0
    layers: Layers = "auto"
    scope: Scope = "global"
    normalise: Normalisation = "none"
    threshold = ""

    def __post_init__(self) -> None:
        named = self.layers if isinstance(self.layers, str) else " + ".join(self.layers)
        now = {"layers": named, "scope": self.scope, "normalise": self.normalise}
        changes = [f"{name} {value}" for name, value in now.items() if value != getattr(type(self), name)]
        self.variant = ", ".join(changes)

    @property
    def edit(self) -> type[Silence] | type[Scale]:
        """What is done to channels: they are silenced, or the γ of their batch normalisation is set to zero."""
        return Silence

    @abstractmethod
    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        """A score for each channel, (channels,), of each of `layers`; `oracle` as of `steps`.

        With z scores, NaN stands for a channel that has none: it counts as an average one.
        """

    def steps(self, network: Network, clean: Split, **oracle: Any) -> Iterator[Step]:
        scores = self.scores(network, clean, **oracle)
        together = np.concatenate([NORMALISED[self.normalise](score) for score in scores.values()])
        if not np.isfinite(together).all():
            if type(self).normalise == "z" != self.normalise:
                raise ConfigError(
                    "expected a score for each channel, got some without, which count as average ones only with z "
                    "scores: set strategy.normalise=z"
                )
            raise StrategyError("expected a score for each channel, got NaN or infinity: mend the score")
        end = math.ceil(self.most * len(together))
        if len(together) * end > self.chunk * MASKS:
            raise ConfigError(
                f"expected at most {MASKS:,} channels times steps, got {len(together):,} channels: set "
                f"strategy.chunk={-(-(len(together) * end) // MASKS)}"
            )
        ends = np.cumsum([len(score) for score in scores.values()])[:-1]
        shares = np.concatenate([_shares(score) for score in np.split(together, ends)])
        ranked = np.argsort(together if self.scope == "global" else shares, kind="stable")
        keep = np.ones(len(ranked), np.float32)
        for pruned in [*range(self.chunk, end, self.chunk), end]:
            keep[ranked[:pruned]] = 0
            parts = np.split(keep.copy(), ends)
            edits = [self.edit(layer, part) for layer, part in zip(scores, parts, strict=True)]
            yield Step(edits, *self._amount(together[ranked], pruned))

    def _amount(self, scores: Array, pruned: int) -> tuple[float, str] | tuple[()]:
        """The amount of a step that prunes the first of `scores`, which ascend, and what it is called."""
        if not self.threshold or self.normalise != "z" or self.scope != "global":
            return ()
        # What lies beyond the threshold is pruned, so that it is that of the first channel kept.
        lowest = scores[pruned] if pruned < len(scores) else np.nextafter(scores[-1], np.inf)
        return float(-lowest), self.threshold


class NormStrategy(ChannelStrategy):
    """Prunes channels of batch normalisations, which `layers` choose as `Network.norm_layers` reads it.

    With `form="published"` γ is set to zero and β kept, as authors do: the channel emits a constant. With "silent" it
    emits zero.
    """

    layers = "all"
    form: Form = "published"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.variant = ", ".join(filter(None, [self.form if self.form != "published" else "", self.variant]))

    @property
    def edit(self) -> type[Silence] | type[Scale]:
        return Scale if self.form == "published" else Silence


class MaskStrategy(Strategy):
    """Learns soft masks, from 0 to 1; of each of `thresholds` a step sets to zero those that are no higher.

    At the threshold 0 the masks stand as they were learnt, which is what papers publish that leave them soft.
    """

    edit: ClassVar[type[Silence] | type[Scale] | type[Mask]]
    thresholds: Fractions = THRESHOLDS

    @abstractmethod
    def masks(self, network: Network, clean: Split) -> Mapping[str, Array]:
        """The masks of each layer that is masked, of the shape of its edit's factors."""

    def steps(self, network: Network, clean: Split, **oracle: Any) -> Iterator[Step]:
        masks = self.masks(network, clean)
        for threshold in sorted(self.thresholds):
            hard = {layer: np.where(mask <= threshold, 0, mask) for layer, mask in masks.items()}
            yield Step([self.edit(layer, mask) for layer, mask in hard.items()], threshold, "threshold")


def z_scores(scores: Array) -> Array:
    """How many standard deviations (divided by n − 1) each of `scores`, (channels,), lies above their mean.

    What stands out among fewer than three, or where all are equal, is undefined: these, and what is not finite, lie
    at 0.
    """
    finite = scores[np.isfinite(scores)].astype(np.float64)
    if len(finite) < 3 or finite.min() == finite.max():
        return np.zeros(len(scores))
    z: Array = np.nan_to_num((scores - finite.mean()) / finite.std(ddof=1), nan=0, posinf=0, neginf=0)
    return z


def _l2(scores: Array) -> Array:
    norm = np.linalg.norm(scores)
    return scores / norm if norm else scores


NORMALISED: Mapping[str, Callable[[Array], Array]] = {"none": np.asarray, "z": z_scores, "l2": _l2}


def _shares(scores: Array) -> Array:
    """Of each of `scores`, (channels,), which share of them is pruned once it is, the lowest first."""
    shares: Array = (np.argsort(np.argsort(scores, kind="stable"), kind="stable") + 1) / len(scores)
    return shares
