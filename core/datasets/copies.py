"""Pictures that look alike: the same photo at another size, quality or brightness, mirrored or turned.

A picture's look is its grey values on a 16 x 16 grid. Two looks are compared by the correlation of their cosine
transforms, in which coarse shapes (a sky that grows darker) count less and fine ones more; in that form a mirrored or
turned picture differs only in signs and in the order of rows and columns, so all eight orientations cost little.
Rotations by a few degrees and crops of more than about 2 % a side are not found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 16
LOOK_BYTES = SIDE * SIDE
ALIKE = 0.05  # copies stay below 0.01, unrelated photos above 0.08 (1 - correlation; docs/decisions/0025)
FLAT = 2.0  # a standard deviation of fewer grey levels is that of a wall: nothing to tell pictures apart by
SMOOTH = 0.9  # so much of a look in one pair of waves is a gradient: they all resemble each other
COARSE = 10  # waves across and down that a first glance compares
BLOCK_ROWS = 256
PAIRS = 4096
DENSE = 0.02  # of a block's pairs: beyond this share all are computed, which is faster than picking them

Look = bytes  # 256 grey values of a 16 x 16 grid, row by row
Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.intp]


def take_look(image: Image.Image) -> Look:
    """What copies of a picture have in common."""
    small = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=4.0)
    return small.convert("L").tobytes()


def perceptual_hash(look: Look) -> str:
    """256-bit difference hash of a look, as 64 hex digits; each row's last value is compared with its first.

    Source: N. Krawetz, "Kind of Like That" (2013), with a 16 x 16 grid.
    """
    grid = np.frombuffer(look, dtype=np.uint8).reshape(SIDE, SIDE)
    return np.packbits(np.roll(grid, -1, axis=1) > grid).tobytes().hex()


@dataclass(frozen=True)
class Looks:
    """Many looks, ready to be compared.

    Attributes:
        waves: (N, 256) weighted cosine coefficients of unit length; zero for a look that identifies nothing.
        outlines: (N, 136) what no mirroring or turning changes in them. Their product is at least the correlation of
            the waves in any orientation.
        coarse: (N, 56) those of the coarse waves, and the length of the rest: their product is at least that of the
            outlines (Cauchy-Schwarz).
    """

    waves: Floats
    outlines: Floats
    coarse: Floats

    @classmethod
    def of(cls, looks: Sequence[Look]) -> "Looks":
        """Transform looks.

        Source: the cosine transform of a mirrored picture changes the sign of its odd columns; images of nature have
        amplitudes that fall with the frequency (Field 1987), which the weights undo in part.
        """
        grids = np.frombuffer(b"".join(looks), dtype=np.uint8).reshape(-1, SIDE, SIDE).astype(np.float32)
        waves: Floats = np.matmul(np.matmul(_BASIS, grids), _BASIS.T)  # (N, 16, 16), orthonormal
        waves[:, 0, 0] = 0
        flat = np.sqrt(np.square(waves).sum(axis=(1, 2))) < FLAT * SIDE
        waves *= _WEIGHTS
        lengths = np.sqrt(np.square(waves).sum(axis=(1, 2), keepdims=True))
        waves /= np.maximum(lengths, np.float32(1e-6))
        pairs = np.square(waves) + np.square(waves.transpose(0, 2, 1))
        pairs[:, np.arange(SIDE), np.arange(SIDE)] /= 2
        first = pairs[:, *np.triu_indices(COARSE)]
        rest = np.maximum(1 - first.sum(axis=1, keepdims=True), 0)
        coarse: Floats = np.sqrt(np.hstack([first, rest]))
        outlines: Floats = np.sqrt(pairs[:, *np.triu_indices(SIDE)])
        nothing = flat | (first.max(axis=1, initial=0) > SMOOTH)
        waves[nothing], outlines[nothing], coarse[nothing] = 0, 0, 0
        return cls(waves.reshape(-1, LOOK_BYTES), outlines, coarse)

    def part(self, places: Places) -> "Looks":
        return Looks(self.waves[places], self.outlines[places], self.coarse[places])

    def bounds(self, rows: Places, others: Places, least: float) -> Floats:
        """(rows, others) at least the correlation of two looks; looked at more closely where many reach `least`."""
        found: Floats = np.matmul(self.coarse[rows], self.coarse[others].T)
        if np.count_nonzero(found >= least) > DENSE * found.size:  # noise and fabrics have most of it in fine waves
            np.minimum(found, np.matmul(self.outlines[rows], self.outlines[others].T), out=found)
        return found

    def correlations(self, rows: Places, others: Places, wanted: npt.NDArray[np.bool_]) -> Floats:
        """Correlation in the orientation in which two looks are nearest.

        Args:
            wanted: (rows, others) which of them; the rest of the result is 0.
        """
        found: Floats = np.zeros(wanted.shape, dtype=np.float32)
        if np.count_nonzero(wanted) > DENSE * wanted.size:
            for waves in (self.waves[rows], self._transposed(rows)):
                for mirror in _MIRRORS:
                    np.maximum(found, (waves * mirror) @ self.waves[others].T, out=found)
            found *= wanted
            return found
        first, second = np.nonzero(wanted)
        for start in range(0, len(first), PAIRS):
            here = slice(start, start + PAIRS)
            yours = self.waves[others[second[here]]]
            for mine in (self.waves[rows], self._transposed(rows)):
                # even and odd columns, even and odd rows: a mirror changes the signs of some of the four sums
                sums = (mine[first[here]] * yours).reshape(-1, SIDE // 2, 2, SIDE // 2, 2).sum(axis=(1, 3))
                best = (sums.reshape(-1, 4) @ _SUMS.T).max(axis=1)
                found[first[here], second[here]] = np.maximum(found[first[here], second[here]], best)
        return found

    def _transposed(self, places: Places) -> Floats:
        waves = self.waves[places].reshape(-1, SIDE, SIDE).transpose(0, 2, 1)
        return waves.reshape(-1, LOOK_BYTES)


def group_alike(looks: Looks, named: Places, radius: float = ALIKE) -> Places:
    """A group number for every look: chains of looks, each within `radius` of the next.

    Args:
        named: (N,) group numbers that are known already; groups are only joined.
    Returns:
        (N,) the same number for each group.
    """
    groups = named.copy()
    for start in range(0, len(groups), BLOCK_ROWS):
        rows, others = np.arange(start, min(len(groups), start + BLOCK_ROWS)), np.arange(start, len(groups))
        # what is surely too far away, or together already, is not looked at closely
        near = looks.bounds(rows, others, 1 - radius) >= 1 - radius
        near &= groups[rows, None] != groups[None, others]
        if not near.any():
            continue
        alike = looks.correlations(rows, others, near) >= 1 - radius
        for row in np.flatnonzero(alike.any(axis=1)):
            mine = groups[others[alike[row]]]
            mine = mine[mine != groups[start + row]]
            if len(mine):
                mine = np.unique(np.append(mine, groups[start + row]))
                groups[np.isin(groups, mine)] = mine[0]
    return groups


def find_alike(
    looks: Looks, rows: Places, others: Places, kinds: Places, *, any_will_do: bool = False
) -> list[tuple[float, int, int]]:
    """For each of `rows` the nearest of `others` that is of another kind, where one looks alike.

    Args:
        rows, others: places of looks.
        kinds: (N,) the kind of each look.
        any_will_do: not the nearest is asked for, but any that looks alike.
    Returns:
        (distance, row, other).
    """
    found = []
    for start in range(0, len(rows) if len(others) else 0, BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        bounds = looks.bounds(block, others, 1 - ALIKE)
        bounds[kinds[block][:, None] == kinds[others]] = 0
        near = bounds >= 1 - ALIKE
        if any_will_do:
            likely = np.zeros_like(near)
            likely[np.arange(len(block)), bounds.argmax(axis=1)] = True
            exact = looks.correlations(block, others, near & likely)
            near[exact.max(axis=1) >= 1 - ALIKE] = False
        else:
            exact = np.zeros_like(bounds)
        if near.any():
            exact = np.maximum(exact, looks.correlations(block, others, near))
        nearest = exact.argmax(axis=1)
        best = exact[np.arange(len(block)), nearest]
        found += [
            (float(1 - best[row]), int(block[row]), int(others[nearest[row]]))
            for row in np.flatnonzero(best >= 1 - ALIKE)
        ]
    return found


def _cosines() -> Floats:
    """The orthonormal cosine transform (DCT-II) of 16 values, as a matrix."""
    places = np.arange(SIDE)
    basis: Floats = (np.cos(np.pi * (places + 0.5) * places[:, None] / SIDE) * np.sqrt(2 / SIDE)).astype(np.float32)
    basis[0] /= np.float32(np.sqrt(2))
    return basis


_BASIS = _cosines()
_WEIGHTS = np.add.outer(np.arange(SIDE) ** 2, np.arange(SIDE) ** 2).astype(np.float32) ** np.float32(0.25)
_SIGNS = np.where(np.arange(SIDE) % 2, -1, 1).astype(np.float32)
_MIRRORS = np.stack(
    [
        np.outer(rows, columns).ravel()
        for rows in (np.ones_like(_SIGNS), _SIGNS)
        for columns in (np.ones_like(_SIGNS), _SIGNS)
    ]
)
_SUMS = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=np.float32)
