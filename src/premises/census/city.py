"""A city for a synthetic census: parcels along streets, in census sections, within the outlines of the barris.

How many premises each barri, axis and venue has is published. Where in a barri they stand is not among the figures, so
the lines of the streets, the limits of the sections and the parcels are laid out at random, once for each seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from premises.census.published import Barri, PublishedCensus

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]

PREMISES_PER_PARCEL = 2.3
GRID_METRES = 100

NOT_APPLICABLE = " "
"""What the file has for the name of a market, a gallery or a mall where there is none: blank, but not empty.

That it is one space is our guess.
"""


class Setting(IntEnum):
    """What a premises stands in."""

    STREET = 0
    AXIS = 1
    MARKET = 2
    GALLERY = 3
    MALL = 4


# Our assumptions on what keeps a premises in use, as log-odds; the published counts hold whatever these are. One on an
# axis or in a mall is seldom out of use, one in a gallery often is, and fewer are where many stand together.
NOT_ACTIVE_IN = np.array([0.0, -0.8, 0.3, 1.4, -1.6])
UNKNOWN_IN = np.array([0.0, -1.2, -0.6, 0.4, -2.0])
EFFECT_OF_DENSITY = -0.4
EFFECT_OF_DRIFT = 0.5
EFFECT_OF_SECTION = 0.25


@dataclass(frozen=True)
class City:
    """Parcels in the file's order (district, section, street, number): one array element for each.

    Attributes:
        places: The columns of the file that follow from the parcel alone, as text, by name.
        barri: Index of its barri among the published ones.
        district: Index of its district.
        setting: Its `Setting`.
        x: Easting in metres, ETRS89 / UTM 31N.
        y: Northing in metres.
        spread: Standard deviation of its premises' coordinates, in metres.
        not_active: Log-odds of having no activity, up to a constant for each district.
        unknown: Log-odds of being of unknown activity, up to a constant for each district.
        by_district: Parcels ordered by the group that a count is known of: a barri's axis, its other streets, a venue.
        reach: Running total of the weights of the parcels of `by_district`.
        last: Where each group ends in `by_district`.
        quota: Premises of each group.
    """

    places: dict[str, pa.Array]
    barri: Integers
    district: Integers
    setting: Integers
    x: Floats
    y: Floats
    spread: Floats
    not_active: Floats
    unknown: Floats
    by_district: Integers
    reach: Floats
    last: Integers
    quota: Integers

    def choose_parcels(self, rng: np.random.Generator) -> Integers:
        """Choose the parcel of each premises of one census; every group has exactly its number of premises.

        Args:
            rng: The source of chance.

        Returns:
            Indices of parcels, in the file's order.
        """
        stop = self.reach[self.last]
        start = np.concatenate(([0.0], stop[:-1]))
        aim = rng.uniform(np.repeat(start, self.quota), np.repeat(stop, self.quota))
        hit = np.searchsorted(self.reach, aim, side="right")
        # An aim that rounds up to the end of its group must not hit the next one.
        return np.sort(self.by_district[np.minimum(hit, np.repeat(self.last, self.quota))])


def lay_out(figures: PublishedCensus, rng: np.random.Generator) -> City:
    """Lay out the streets, sections, parcels and venues of the city.

    Args:
        figures: The published figures.
        rng: The source of chance.

    Returns:
        The city; its groups' quotas add up to the published census.
    """
    on_axis = _premises_on_axis(figures)
    parcels = pd.concat(
        [_lay_out_barri(figures, barri, on_axis[barri], rng) for barri in range(len(figures.barris))],
        ignore_index=True,
    )
    parcels["district"] = np.array([barri.district_id - 1 for barri in figures.barris])[parcels["barri"]]
    parcels = parcels.sort_values(["district", "section", "street", "number"], kind="stable", ignore_index=True)

    group = parcels.groupby(["barri", "on_axis", "venue"]).ngroup().to_numpy()
    by_district = np.argsort(group, kind="stable")
    last = np.cumsum(np.bincount(group)) - 1
    share = parcels["weight"] / np.bincount(group, parcels["weight"])[group]
    not_active, unknown = _log_odds(figures, parcels, share * parcels["quota"], rng)
    return City(
        places=_describe(figures, parcels),
        barri=parcels["barri"].to_numpy(),
        district=parcels["district"].to_numpy(),
        setting=parcels["setting"].to_numpy(),
        x=parcels["x"].to_numpy(),
        y=parcels["y"].to_numpy(),
        spread=np.where(parcels["venue"] < 0, 4.0, 15.0),
        not_active=not_active,
        unknown=unknown,
        by_district=by_district,
        reach=np.cumsum(parcels["weight"].to_numpy()[by_district]),
        last=last,
        quota=parcels["quota"].to_numpy()[by_district[last]],
    )


def apportion(total: int, weights: Sequence[float] | Floats) -> Integers:
    """Share out a whole number by weight, by largest remainders, so that the shares add up to it.

    Args:
        total: What is shared out.
        weights: One for each share; not all zero.

    Returns:
        The shares.
    """
    exact = total * np.asarray(weights, dtype=np.float64) / np.sum(weights)
    shares = np.floor(exact).astype(np.int64)
    largest = np.argsort(shares - exact, kind="stable")[: total - shares.sum()]
    shares[largest] += 1
    return shares


def degrees_from_utm(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Convert ETRS89 / UTM 31N to degrees, by Krüger's series to the third order: to a tenth of a millimetre.

    Args:
        x: Eastings in metres.
        y: Northings in metres.

    Returns:
        Latitudes and longitudes.
    """
    flattening = 1 / 298.257222101  # GRS80
    n = flattening / (2 - flattening)
    radius = 6_378_137 / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    xi, eta = y / (0.9996 * radius), (x - 500_000) / (0.9996 * radius)
    straight_xi, straight_eta = xi.copy(), eta.copy()
    for j, beta in enumerate((n / 2 - 2 * n**2 / 3 + 37 * n**3 / 96, n**2 / 48 + n**3 / 15, 17 * n**3 / 480), start=1):
        straight_xi -= beta * np.sin(2 * j * xi) * np.cosh(2 * j * eta)
        straight_eta -= beta * np.cos(2 * j * xi) * np.sinh(2 * j * eta)
    conformal = np.arcsin(np.sin(straight_xi) / np.cosh(straight_eta))
    latitude = conformal.copy()
    for j, delta in enumerate((2 * n - 2 * n**2 / 3 - 2 * n**3, 7 * n**2 / 3 - 8 * n**3 / 5, 56 * n**3 / 15), start=1):
        latitude += delta * np.sin(2 * j * conformal)
    central_meridian = 3
    longitude = central_meridian + np.degrees(np.arctan(np.sinh(straight_eta) / np.cos(straight_xi)))
    return np.degrees(latitude), longitude


def extent(figures: PublishedCensus, barri: Barri) -> tuple[Floats, Floats]:
    """Say where the premises of a barri may stand: in the box of its outline, as far as the city has premises.

    Args:
        figures: The published figures.
        barri: One of their barris.

    Returns:
        The south-west and the north-east corner, (x, y) in metres.
    """
    outline = np.array(barri.outline, dtype=np.float64)
    low, high = np.array(figures.bounds)
    return np.maximum(outline.min(axis=0), low), np.minimum(outline.max(axis=0), high)


def _premises_on_axis(figures: PublishedCensus) -> Integers:
    """Count the premises on an axis by barri; where that is not published, what the others leave is shared by size."""
    published = np.array([barri.on_axis or 0 for barri in figures.barris])
    untold = [barri.premises if barri.on_axis is None else 0 for barri in figures.barris]
    return published + apportion(figures.on_axis - int(published.sum()), untold)


def _lay_out_barri(figures: PublishedCensus, index: int, on_axis: int, rng: np.random.Generator) -> pd.DataFrame:
    """Lay out one barri: parcels along its streets, the first and busiest of which are its axis, and its venues."""
    barri = figures.barris[index]
    size = int(barri.premises / PREMISES_PER_PARCEL) + len(barri.streets)
    per_street = apportion(size, 1 / np.sqrt(np.arange(1, len(barri.streets) + 1)))
    axis_share = on_axis / barri.premises
    axis_parcels = np.clip(round(size * axis_share), on_axis > 0, size - (on_axis < barri.premises))
    streets = pd.DataFrame(
        np.concatenate([_lay_out_street(figures, barri, parcels, rng) for parcels in per_street]), columns=["x", "y"]
    ).assign(
        street=np.repeat([street.upper() for street in barri.streets], per_street),
        number=np.concatenate([1 + 2 * np.arange(n) + rng.integers(0, 2, n) for n in per_street]),
        on_axis=np.arange(size) < axis_parcels,
        weight=rng.gamma(0.8, size=size) + 0.1,
        venue=-1,
    )
    streets["setting"] = np.where(streets["on_axis"], Setting.AXIS, Setting.STREET)
    # A market in a barri that is mostly axis is on it; of malls and galleries, no row that we saw is.
    venues = pd.DataFrame(
        [
            (v.x, v.y, v.street.upper(), v.number, v.kind == "market" and axis_share > 1 / 2, 1.0, i,
             Setting[v.kind.upper()], v.premises)
            for i, v in enumerate(figures.venues)
            if v.barri_id == barri.id
        ],
        columns=[*streets.columns, "quota"],
    )  # fmt: skip
    in_venues = venues.groupby("on_axis")["quota"].sum()
    of_streets = {True: on_axis - in_venues.get(True, 0), False: barri.premises - on_axis - in_venues.get(False, 0)}
    streets["quota"] = streets["on_axis"].map(of_streets)
    parcels = pd.concat([streets, venues] if len(venues) else [streets], ignore_index=True)
    return parcels.assign(barri=index, section=_sections(barri, parcels[["x", "y"]].to_numpy(), rng))


def _lay_out_street(figures: PublishedCensus, barri: Barri, parcels: int, rng: np.random.Generator) -> Floats:
    """Place parcels along a straight street, in one of the barri's two directions, where it is inside the outline."""
    low, high = extent(figures, barri)

    def in_barri(points: Floats) -> Floats:
        within: Floats = points[
            _inside(points, np.array(barri.outline)) & ((low <= points) & (points <= high)).all(axis=1)
        ]
        return within

    # The Eixample's grid, turned a little from barri to barri.
    angle = np.pi / 4 + barri.id / 10 + np.pi / 2 * rng.integers(2)
    steps = np.linspace(-1, 1, 2000)[:, None] * np.hypot(*(high - low))
    middle = in_barri(rng.uniform(low, high, (200, 2)))[0]
    line = in_barri(middle + steps * [np.cos(angle), np.sin(angle)])
    return line[np.sort(rng.integers(len(line), size=parcels))]


def _inside(points: Floats, outline: Integers) -> npt.NDArray[np.bool_]:
    """Tell which points are inside an outline: a ray from there crosses its sides an odd number of times."""
    x, y = points[:, :1], points[:, 1:]
    x0, y0 = outline.T
    x1, y1 = np.roll(outline, -1, axis=0).T
    spans = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crosses = spans & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return np.asarray(crosses.sum(axis=1) % 2 == 1)


def _sections(barri: Barri, points: Floats, rng: np.random.Generator) -> Integers:
    """Cut a barri into its census sections: compact, with about as many parcels each (a few steps of k-means)."""
    numbers = np.concatenate([np.arange(first, last + 1) for first, last in barri.sections])
    centres = points[rng.choice(len(points), numbers.size, replace=False)]
    for _ in range(6):
        nearest = np.argmin(((points[:, None] - centres) ** 2).sum(axis=2), axis=1)
        held = np.bincount(nearest, minlength=numbers.size)
        sums = np.stack([np.bincount(nearest, points[:, axis], numbers.size) for axis in (0, 1)], axis=1)
        centres = np.where(held[:, None] > 0, sums / np.maximum(held, 1)[:, None], centres)
    return np.asarray(barri.district_id * 1000 + numbers[nearest])


def _log_odds(
    figures: PublishedCensus, parcels: pd.DataFrame, expected: pd.Series[float], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Say how likely a parcel's premises are to have no activity, or an unknown one, beside others of the district.

    The barris differ as their shares of premises that are not active did in 2019, the one year they are published for.
    """
    rate = np.array([barri.not_active_2019 / barri.premises_2019 for barri in figures.barris])[parcels["barri"]]
    cells = parcels[["x", "y"]] // GRID_METRES
    density = np.log(expected.groupby([cells["x"], cells["y"]]).transform("sum").to_numpy())
    x, y = parcels["x"].to_numpy() / 1000, parcels["y"].to_numpy() / 1000
    # Slow waves over the city, 1.5 to 4 km long: better and worse parts that no administrative limit follows.
    drift = np.zeros(len(parcels))
    for length, bearing, phase in rng.uniform((1.5, 0, 0), (4, np.pi, 2 * np.pi), (6, 3)):
        drift += np.sin(2 * np.pi * (x * np.cos(bearing) + y * np.sin(bearing)) / length + phase)
    of_section = rng.normal(size=int(parcels["section"].max()) + 1)[parcels["section"]]
    shared = (
        np.log(rate / (1 - rate))
        + EFFECT_OF_DENSITY * (density - density.mean()) / density.std()
        + EFFECT_OF_DRIFT * drift / drift.std()
        + EFFECT_OF_SECTION * of_section
    )
    return shared + NOT_ACTIVE_IN[parcels["setting"]], shared + UNKNOWN_IN[parcels["setting"]]


def _describe(figures: PublishedCensus, parcels: pd.DataFrame) -> dict[str, pa.Array]:
    """Write the columns of the file that follow from the parcel alone."""
    barris = [figures.barris[barri] for barri in parcels["barri"]]
    venues = [figures.venues[venue] if venue >= 0 else None for venue in parcels["venue"]]

    def named(kind: str) -> list[str]:
        return [venue.name if venue and venue.kind == kind else NOT_APPLICABLE for venue in venues]

    def flag(*settings: Setting) -> list[str]:
        return ["1" if setting in settings else "0" for setting in parcels["setting"]]

    columns = {
        "SN_CARRER": flag(Setting.STREET, Setting.AXIS),
        "SN_MERCAT": flag(Setting.MARKET),
        "ID_MERCAT": [str(venue.id) if venue and venue.kind == "market" else "0" for venue in venues],
        "N_MERCAT": named("market"),
        "SN_GALERIA": flag(Setting.GALLERY),
        "N_GALERIA": named("gallery"),
        "SN_CCOMERC": flag(Setting.MALL),
        "ID_CCOMERC": [f"CC{venue.id:03d}" if venue and venue.kind == "mall" else "0" for venue in venues],
        "N_CCOMERC": named("mall"),
        "N_CARRER": parcels["street"].tolist(),
        "NUM_POLICI": parcels["number"].astype(str).tolist(),
        "REF_CAD": [_cadastral_reference(*parcel) for parcel in parcels[["x", "y"]].itertuples()],
        "Codi_Barri": [str(barri.id) for barri in barris],
        "Codi_Districte": [str(barri.district_id) for barri in barris],
        "N_DISTRI": [figures.districts[district].name for district in parcels["district"]],
        "N_EIX": [f"Eix {barri.name}" if on else None for barri, on in zip(barris, parcels["on_axis"], strict=True)],
        "SN_EIX": ["1" if on else "0" for on in parcels["on_axis"]],
        "SEC_CENS": parcels["section"].astype(str).tolist(),
    }
    return {name: pa.array(column, pa.string()) for name, column in columns.items()}


def _cadastral_reference(parcel: int, x: float, y: float) -> str:
    """Write a reference in the form of the cadastre's: seven digits, the sheet of the map, and a letter."""
    east, north = int(x / 1000), int(y / 1000)
    # The multiplier and the modulus have no common factor, so that no two parcels have the same digits.
    digits = 1_000_000 + parcel * 7919 % 9_000_000
    return f"{digits}DF{east // 10 % 10}{north // 10 % 10}{east % 10}{north % 10}{'ABCDEFGH'[parcel % 8]}"
