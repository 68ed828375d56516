"""Which share of the tables one process makes: `--shard 2/8` of eight processes that may run anywhere, at any time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from radir_node.errors import UserError


@dataclass(frozen=True, slots=True)
class Shard:
    """One share of several; number counts from 1."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read "2/8". Raises UserError."""
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise UserError(f"--shard: {text!r} is not like 2/8")
        return cls(int(number), int(of))

    def share(self, sizes: Mapping[str, int]) -> Sequence[str]:
        """Name the tables of this share, largest first; the work of a table goes with the square of its size.

        Each table, largest first, goes to the share that has least so far: every process finds the same without asking.
        """
        loads = [0] * self.of
        mine = []
        for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
            least = loads.index(min(loads))
            loads[least] += size * size
            if least == self.number - 1:
                mine.append(name)
        return mine
