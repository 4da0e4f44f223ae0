"""Which pairs are linked: people's word first, then the surest pair, one row a dataset, one number a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hub.ledger.decisions import DIFFERENT, SAME, Suggestion
from hub.linking.models import ACCEPT, MARGIN, REVIEW

__all__ = ["Chosen", "Edge", "Left", "choose"]

_SHOWN = 3
"""Most pairs of one row that people are asked about."""


@dataclass(frozen=True)
class Left:
    """A row without a number.

    Attributes:
        ident: Its name among the records.
        key: Its own key, by what its department knows it by; people's decisions name it so.
        has_key: Whether it has that key anyway: a birth certificate, an earlier build.
        may_found: Whether it may be somebody whom no other row names.
    """

    ident: str
    tail: str
    key: str
    has_key: bool
    may_found: bool


@dataclass(frozen=True)
class Edge:
    """A scored pair.

    Attributes:
        left: A row's name.
        right: A known key, or another row's name.
        tails: Datasets that have a row of the known one already.
        weight: Bits.
        is_named: Whether the name agrees; a number alone convinces nobody.
    """

    left: str
    right: str
    tails: frozenset[str]
    weight: float
    probability: float
    is_named: bool
    why: str


@dataclass
class Chosen:
    """What became of the rows.

    Attributes:
        keys: Row's name -> key and reason.
        asked: Pairs for people.
    """

    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: list[Suggestion] = field(default_factory=list)


def choose(
    entity: str,
    lefts: Iterable[Left],
    edges: Iterable[Edge],
    verdicts: Mapping[tuple[str, frozenset[str]], str],
) -> Chosen:
    """Link rows to the known and to each other.

    The order of the pairs is that of their weight, then of their names: the same pairs always end in the same links.
    A row whose two best partners among the known lie less than `MARGIN` apart is left to people, and so is one that the
    model finds likely but not sure, or that seems to be in one list twice.
    """
    return _Chooser(entity, {left.ident: left for left in lefts}, list(edges), verdicts).choose()


@dataclass
class _Cluster:
    members: set[str]
    tails: set[str]
    known: str | None = None


class _Chooser:
    def __init__(
        self,
        entity: str,
        lefts: Mapping[str, Left],
        edges: list[Edge],
        verdicts: Mapping[tuple[str, frozenset[str]], str],
    ) -> None:
        self.entity = entity
        self.lefts = lefts
        self.verdicts = {pair: verdict for (kind, pair), verdict in verdicts.items() if kind == entity}
        self.edges = sorted(edges, key=lambda edge: (-edge.weight, edge.left, edge.right))
        self.clusters = {ident: _Cluster({ident}, {left.tail}) for ident, left in lefts.items()}
        self.known: dict[str, _Cluster] = {}
        self.reasons: dict[str, str] = {}
        self.unsure: dict[str, list[Edge]] = {}

    def choose(self) -> Chosen:
        self._believe_people()
        undecided = [edge for edge in self.edges if self._verdict(edge.left, edge.right) is None]
        ambiguous = self._ambiguous(undecided)
        for edge in undecided:
            if self._is_sure(edge) and edge.left not in ambiguous:
                self._join(edge.left, edge.right, edge.why, edge.tails)
            elif edge.probability >= REVIEW:
                self.unsure.setdefault(edge.left, []).append(edge)
        return self._told()

    def _name(self, ident: str) -> str:
        """How decisions name a record: a row by its own key."""
        return self.lefts[ident].key if ident in self.lefts else ident

    def _verdict(self, left: str, right: str) -> str | None:
        return self.verdicts.get(frozenset((self._name(left), self._name(right))))

    def _believe_people(self) -> None:
        by_name: dict[str, list[str]] = {}
        for ident, row in self.lefts.items():
            by_name.setdefault(row.key, []).append(ident)
        for pair, verdict in sorted(self.verdicts.items(), key=lambda item: sorted(item[0])):
            if verdict != SAME:
                continue
            one, other = sorted(pair, key=lambda name: (name not in by_name, name))
            for left in by_name.get(one, []):
                for right in by_name.get(other, [other]):
                    self._join(left, right, "decided", frozenset(), by_people=True)

    def _is_sure(self, edge: Edge) -> bool:
        twice = edge.right not in self.lefts and self.lefts[edge.left].tail in edge.tails
        return edge.probability >= ACCEPT and edge.is_named and not twice

    def _ambiguous(self, edges: list[Edge]) -> set[str]:
        """Rows with two likely partners among the known, hardly apart."""
        best: dict[str, float] = {}
        found = set()
        for edge in edges:
            if edge.right in self.lefts or edge.probability < REVIEW or not edge.is_named:
                continue
            if edge.left not in best:
                best[edge.left] = edge.weight
            elif best[edge.left] - edge.weight < MARGIN:
                found.add(edge.left)
        return found

    def _join(self, left: str, right: str, why: str, tails: frozenset[str], *, by_people: bool = False) -> None:
        one = self.clusters[left]
        if right in self.lefts:
            other = self.clusters[right]
        else:
            other = self.known.setdefault(right, _Cluster(set(), set(tails), right))
        two_known = bool(one.known and other.known and one.known != other.known)
        if one is other or two_known or not (by_people or self._compatible(one, other)):
            return
        one.members |= other.members
        one.tails |= other.tails
        one.known = one.known or other.known
        for ident in other.members:
            self.clusters[ident] = one
        if one.known:
            self.known[one.known] = one
        self.reasons.setdefault(left, why)
        if right in self.lefts:
            self.reasons.setdefault(right, why)

    def _compatible(self, one: _Cluster, other: _Cluster) -> bool:
        """One row a dataset, and nobody has said that they are different."""
        if one.tails & other.tails:
            return False
        return not any(
            self.verdicts.get(frozenset((a, b))) == DIFFERENT for a in self._names(one) for b in self._names(other)
        )

    def _names(self, cluster: _Cluster) -> list[str]:
        return [self._name(ident) for ident in cluster.members] + ([cluster.known] if cluster.known else [])

    def _told(self) -> Chosen:
        chosen = Chosen()
        for ident in sorted(self.lefts):
            cluster = self.clusters[ident]
            key = cluster.known or self._own_key(cluster)
            if key is not None and (key != self.lefts[ident].key or not self.lefts[ident].has_key):
                chosen.keys[ident] = (key, self.reasons.get(ident, "record"))
            if cluster.known is None:
                chosen.asked += self._questions(ident)
        return chosen

    def _own_key(self, cluster: _Cluster) -> str | None:
        """Whom no number tells bears the key he has, else that of a register's row about which nobody is asked."""
        lefts = [self.lefts[ident] for ident in cluster.members]
        having = sorted(left.key for left in lefts if left.has_key)
        founding = sorted(left.key for left in lefts if left.may_found and left.ident not in self.unsure)
        return next(iter([*having, *founding]), None)

    def _questions(self, ident: str) -> list[Suggestion]:
        mine = self.clusters[ident]
        asked = [edge for edge in self.unsure.get(ident, []) if self.clusters.get(edge.right) is not mine]
        return [
            Suggestion(self.entity, self._name(edge.left), self._name(edge.right), round(edge.probability, 6), edge.why)
            for edge in asked[:_SHOWN]
        ]
