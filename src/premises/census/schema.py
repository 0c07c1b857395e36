"""The raw census as the Council publishes it: its files, columns and codes.

Source of the data: Barcelona City Council (Open Data BCN, CC BY 4.0).
"""

CREDIT = "Source of the data: Barcelona City Council"

CENSUS_2016_FILE = "2016_cens_locals_plantabaixa.csv"
"""Name of the file in `01_raw`: UTF-8, comma separated, decimal point, a header."""

CENSUS_2016_COLUMNS = (
    "ID_BCN",
    "ID_PRINCIP",
    "N_PRINCIP",
    "ID_SECTOR",
    "N_SECTOR",
    "ID_GRUPACT",
    "N_GRUPACT",
    "ID_ACT",
    "N_ACT",
    "N_LOCAL",
    "SN_CARRER",
    "SN_MERCAT",
    "ID_MERCAT",
    "N_MERCAT",
    "SN_GALERIA",
    "N_GALERIA",
    "SN_CCOMERC",
    "ID_CCOMERC",
    "N_CCOMERC",
    "N_CARRER",
    "NUM_POLICI",
    "REF_CAD",
    "DATA",
    "Codi_Barri",
    "Nom_Barri",
    "Codi_Districte",
    "N_DISTRI",
    "N_EIX",
    "SN_EIX",
    "SEC_CENS",
    "Y_UTM_ETRS",
    "X_UTM_ETRS",
    "LATITUD",
    "LONGITUD",
)

ACTIVE = "Actiu"
INACTIVE = "Sense activitat"
UNKNOWN = "Sense informació"

SAMPLE_NAME_PREFIX = "MOSTRA "
"""Every drawn premises' N_LOCAL begins with this ("sample" in Catalan): the rows themselves say what they are."""
