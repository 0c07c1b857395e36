"""The raw census as the Council publishes it: what the file of each vintage looks like, and how it is read.

Source of the data: Barcelona City Council (Open Data BCN, CC BY 4.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import narwhals.stable.v2 as nw

from premises.census.published import published_2016

if TYPE_CHECKING:
    from narwhals.stable.v2.dtypes import DType

CREDIT = "Source of the data: Barcelona City Council"

ACTIVE = "Actiu"
INACTIVE = "Sense activitat"
UNKNOWN = "Sense informació"
"""The status of a premises, as the file of 2016 has it; those of later files are told by these."""

SYNTHETIC_NAME_PREFIX = "MOSTRA "
"""The name of every synthetic premises begins with this word, by which the rows themselves say what they are."""


@dataclass(frozen=True)
class Vintage:
    """The form of one census year's file: UTF-8, comma separated, decimal point, a header.

    Attributes:
        year: When the fieldwork was done.
        columns: Those of the file, in its order.
        read_from: For each column of `premises` that is read, the column of the file. The later files have no ids of
            markets and malls.
        id_pattern: What an id is, in lower case.
        statuses: The words of the file for a premises' status, and those of 2016 for the same.
        yes: How a flag says yes.
        no: How it says no.
        section_in_district: Whether a section's number is counted within its district; it has the district's number in
            front otherwise.
    """

    year: int
    columns: tuple[str, ...]
    read_from: dict[str, str]
    id_pattern: str
    statuses: dict[str, str]
    yes: tuple[str, ...]
    no: tuple[str, ...]
    section_in_district: bool

    @property
    def file(self) -> str:
        """The name of the file in `01_raw`."""
        return f"{self.year}_cens_locals_plantabaixa.csv"

    @property
    def classes(self) -> frozenset[int]:
        """The codes of the class list of activities."""
        if self.year == 2016:  # noqa: PLR2004 - a year
            return frozenset(activity.id for activity in published_2016().activities)
        return frozenset(map(int, CLASSES_2019.split()))


NUMBER = r"^(?:0|[1-9][0-9]{0,14})$"
"""An id that is a number: one way to write each, and few enough digits for every engine."""

UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

COLUMNS_2016 = (
    "ID_BCN", "ID_PRINCIP", "N_PRINCIP", "ID_SECTOR", "N_SECTOR", "ID_GRUPACT", "N_GRUPACT", "ID_ACT", "N_ACT",
    "N_LOCAL", "SN_CARRER", "SN_MERCAT", "ID_MERCAT", "N_MERCAT", "SN_GALERIA", "N_GALERIA", "SN_CCOMERC",
    "ID_CCOMERC", "N_CCOMERC", "N_CARRER", "NUM_POLICI", "REF_CAD", "DATA", "Codi_Barri", "Nom_Barri",
    "Codi_Districte", "N_DISTRI", "N_EIX", "SN_EIX", "SEC_CENS", "Y_UTM_ETRS", "X_UTM_ETRS", "LATITUD", "LONGITUD",
)  # fmt: skip

COLUMNS_2019 = (
    "ID_Bcn_2019", "ID_Bcn_2016", "Codi_Principal_Activitat", "Nom_Principal_Activitat", "Codi_Sector_Activitat",
    "Nom_Sector_Activitat", "Codi_Grup_Activitat", "Nom_Grup_Activitat", "Codi_Activitat_2019", "Nom_Activitat",
    "Codi_Activitat_2016", "Nom_Local", "SN_Oci_Nocturn", "SN_Coworking", "SN_Servei_Degustacio", "SN_Obert24h",
    "SN_Mixtura", "SN_Carrer", "SN_Mercat", "Nom_Mercat", "SN_Galeria", "Nom_Galeria", "SN_CComercial",
    "Nom_CComercial", "SN_Eix", "Nom_Eix", "X_UTM_ETRS89", "Y_UTM_ETRS89", "Latitud", "Longitud", "Direccio_Unica",
    "Codi_Via", "Nom_Via", "Planta", "Porta", "Num_Policia_Inicial", "Lletra_Inicial", "Num_Policia_Final",
    "Lletra_Final", "Solar", "Codi_Parcela", "Codi_Illa", "Seccio_Censal", "Codi_Barri", "Nom_Barri",
    "Codi_Districte", "Nom_Districte", "Referencia_cadastral", "Data_Revisio",
)  # fmt: skip

RENAMED_2022 = {
    "ID_Bcn_2019": "ID_Global",
    "Codi_Activitat_2019": "Codi_Activitat_2022",
    "Referencia_cadastral": "Referencia_Cadastral",
}
"""All that the columns of 2022 differ in from those of 2019."""

COLUMNS_2022 = tuple(RENAMED_2022.get(column, column) for column in COLUMNS_2019)


class Column(NamedTuple):
    """A column of `premises`.

    Attributes:
        type: Its type.
        in_2016: The column of the file of 2016 that it is read from.
        in_2019: That of the file of 2019.
    """

    type: type[DType]
    in_2016: str | None
    in_2019: str | None


SCHEMA = {
    "premises_id": Column(nw.String, "ID_BCN", "ID_Bcn_2019"),
    "is_synthetic": Column(nw.Boolean, None, None),
    "is_active": Column(nw.Boolean, None, None),
    "status": Column(nw.String, "N_PRINCIP", "Nom_Principal_Activitat"),
    "sector": Column(nw.String, "N_SECTOR", "Nom_Sector_Activitat"),
    "activity_group": Column(nw.String, "N_GRUPACT", "Nom_Grup_Activitat"),
    "activity_id": Column(nw.Int64, "ID_ACT", "Codi_Activitat_2019"),
    "activity": Column(nw.String, "N_ACT", "Nom_Activitat"),
    "name": Column(nw.String, "N_LOCAL", "Nom_Local"),
    "is_on_street": Column(nw.Boolean, "SN_CARRER", "SN_Carrer"),
    "is_in_market": Column(nw.Boolean, "SN_MERCAT", "SN_Mercat"),
    "market_id": Column(nw.Int64, "ID_MERCAT", None),
    "market": Column(nw.String, "N_MERCAT", "Nom_Mercat"),
    "is_in_gallery": Column(nw.Boolean, "SN_GALERIA", "SN_Galeria"),
    "gallery": Column(nw.String, "N_GALERIA", "Nom_Galeria"),
    "is_in_mall": Column(nw.Boolean, "SN_CCOMERC", "SN_CComercial"),
    "mall_id": Column(nw.String, "ID_CCOMERC", None),
    "mall": Column(nw.String, "N_CCOMERC", "Nom_CComercial"),
    "street": Column(nw.String, "N_CARRER", "Nom_Via"),
    "street_number": Column(nw.Int64, "NUM_POLICI", "Num_Policia_Inicial"),
    "cadastral_reference": Column(nw.String, "REF_CAD", "Referencia_cadastral"),
    "surveyed_on": Column(nw.Date, "DATA", "Data_Revisio"),
    "barri_id": Column(nw.Int64, "Codi_Barri", "Codi_Barri"),
    "barri": Column(nw.String, "Nom_Barri", "Nom_Barri"),
    "district_id": Column(nw.Int64, "Codi_Districte", "Codi_Districte"),
    "district": Column(nw.String, "N_DISTRI", "Nom_Districte"),
    "commercial_axis": Column(nw.String, "N_EIX", "Nom_Eix"),
    "is_on_axis": Column(nw.Boolean, "SN_EIX", "SN_Eix"),
    "census_section": Column(nw.Int64, "SEC_CENS", "Seccio_Censal"),
    "x_mm": Column(nw.Int64, "X_UTM_ETRS", "X_UTM_ETRS89"),
    "y_mm": Column(nw.Int64, "Y_UTM_ETRS", "Y_UTM_ETRS89"),
    "latitude": Column(nw.Float64, "LATITUD", "Latitud"),
    "longitude": Column(nw.Float64, "LONGITUD", "Longitud"),
}
"""The columns of `premises`, in their order. What no file has is made of other columns."""

READ_FROM_2019 = {name: column.in_2019 for name, column in SCHEMA.items() if column.in_2019}

STATUSES_2019 = {
    ACTIVE: ACTIVE,
    "Sense activitat Econòmica": INACTIVE,
    # A premises that nobody could look into is one without activity there, of this sector.
    UNKNOWN: UNKNOWN,
}

CLASSES_2019 = """
    10 20 30 41 42 43 44 50 111 222 333 444 555 1000000 1000010 1000020 1000030 1001000 1002000 1003000 1005000
    1006000 1007000 1008000 1100000 1111111 1200000 1300000 1400000 1400001 1400002 1400003 1400004 1400005
    1400006 1400100 1400200 1500000 1600000 1600100 1600101 1600102 1600200 1600300 1600400 1600500 1600600
    1600700 1600800 1600900 1611000 1611100 1611200 1700000 1700100 1700200 1700300 1700310 1700320 1700400
    1700500 1700600 1700700 1700800 2000000 2001000 2002000 2003000 3000000 3001000 3002000 3003000 3004000
    3005000 4000000 4001000 4002000 4003000 5000000 5001000 5003000 5004000 6000000 7000000 7001000 7002000
    7003000 7003010 7003020 7004000 7004010 7004020 7005000 8000000 9000000
"""
"""The official list of 2019, which has the codes of before too."""

VINTAGES = {
    2016: Vintage(
        year=2016,
        columns=COLUMNS_2016,
        read_from={name: column.in_2016 for name, column in SCHEMA.items() if column.in_2016},
        id_pattern=NUMBER,
        statuses={status: status for status in (ACTIVE, INACTIVE, UNKNOWN)},
        yes=("1",),
        no=("0",),
        section_in_district=False,
    ),
    2019: Vintage(
        year=2019,
        columns=COLUMNS_2019,
        read_from=READ_FROM_2019,
        id_pattern=NUMBER,
        statuses=STATUSES_2019,
        yes=("0",),  # the other way round
        no=("1",),
        section_in_district=True,
    ),
    2022: Vintage(
        year=2022,
        columns=COLUMNS_2022,
        read_from={name: RENAMED_2022.get(column, column) for name, column in READ_FROM_2019.items()},
        id_pattern=UUID,
        statuses=STATUSES_2019,
        yes=("Sí", "Si", "SÍ", "SI", "sí", "si"),
        no=("No", "NO", "no"),
        section_in_district=True,
    ),
}
"""By year. The columns of 2019 and 2022 are those of the files that the portal had in 2019 and 2022; which of their
flags say yes by 0 is known of some only, and the contract warns where the flag of the axis does not fit its name."""
