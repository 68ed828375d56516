"""The weights of RaTEScore as data: how much a match of two types counts, and what a denial costs.

Source: the constants of RaTEScore (MIT licence; PyPI ratescore 0.6.0), as listed in method spec 4.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radir_node.reports.similarity.entities import EntityType

_PRESENT = (EntityType.ABNORMALITY, EntityType.DISEASE)
_DENIED = (EntityType.NON_ABNORMALITY, EntityType.NON_DISEASE)


@dataclass(frozen=True)
class Weights:
    """One table: rows are the type of an entity, columns the type of the entity that it is matched with."""

    name: str
    table: tuple[tuple[float, ...], ...]
    negation: float
    """Factor of a match between something present and something denied, in (0, 1]."""

    def matrix(self) -> NDArray[np.float32]:
        """Give the weights, [own type, matched type] in the order of EntityType."""
        return np.array(self.table, dtype=np.float32)

    def penalised(self) -> NDArray[np.float32]:
        """Give the weights times the factor of negation where one type is present and the other denied."""
        order = tuple(EntityType)
        factors = np.ones((len(order), len(order)), dtype=np.float32)
        for present in _PRESENT:
            for denied in _DENIED:
                factors[order.index(present), order.index(denied)] = self.negation
                factors[order.index(denied), order.index(present)] = self.negation
        return self.matrix() * factors


LONG = Weights(
    "long",
    (
        (0.4276119164, 0.6240929991, 0.0034478181, 0.5431049700, 0.2700542539),
        (0.7487824274, 0.2856134859, 0.4592143222, 0.0209705514, 0.0001373631),
        (0.8396510076, 0.9950209389, 0.8460555031, 0.9820689021, 0.3789136708),
        (0.1654676465, 0.0186706107, 0.7193973546, 0.0009357166, 0.0927333564),
        (0.7759420231, 0.1839139294, 0.1007304608, 0.0386018381, 0.3406568149),
    ),
    0.8716553966,
)
"""The default of RaTEScore."""

SHORT = Weights(
    "short",
    (
        (0.4070293318, 0.6952639611, 0.2834252947, 0.9479148658, 0.2387506411),
        (0.5829759950, 0.7709590752, 0.0006059635, 0.7946725850, 0.2798294240),
        (0.8840397620, 0.9637659446, 0.1901895844, 0.6962283915, 0.9437270579),
        (0.1712744287, 0.4485149671, 0.0004506533, 0.0007887930, 0.8555432841),
        (0.9555801066, 0.1312211616, 0.6072996586, 0.0565071114, 0.3214769400),
    ),
    0.3611577852,
)
"""For short texts: present against denied costs nearly two thirds."""

WEIGHTS: Mapping[str, Weights] = {weights.name: weights for weights in (LONG, SHORT)}
