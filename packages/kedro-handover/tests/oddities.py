"""Odd values, and cases of Hypothesis that are looked at together."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

ANY = list(HealthCheck)

HOSTILE = (
    *[
        "NaN",
        "nan",
        "Infinity",
        "-inf",
        "null",
        "NULL",
        "None",
        "NA",
        "true",
        "1e5",
        "1E5",
        "0x1F",
        "١٢",
        "\uff11\uff12",
        "½",
        "-0",
        "+5",
        "5.",
        ".5",
        "5.0",
        "5,0",
    ],
    *[
        "1.234,5",
        "1_000",
        "00012",
        "-1",
        "431675.395",
        "4580750,861",
        "100000000000.5",
        "2016-02-30",
        "29/02/2016",
        "20160229",
        "20160230",
    ],
    *[
        "20160607.0",
        "2016-06-07T00:00:00",
        "2016-06-07T12:00:00",
        "0000-00-00",
        "9999-99-99",
        "Actiu",
        "actiu",
        "Sí",
        "si",
        "SÍ",
    ],
    *[
        "=1+1",
        "@SUM(A1)",
        "'",
        ";",
        "%",
        "%s",
        "$1",
        "é",
        "é",
        "İ",
        "ß",
        "🏪",
        "\U0010ffff",
        "1F2B4F24-489D-41E5-A183-BD00F21F8B32",
    ],
    *("9" * digits for digits in (9, 10, 15, 16, 18, 19, 40)),
    *(f"5{end}" for end in "\n\r\t\u2028\u2029\u0085\u00a0\u200b\x0b\x1c"),
    *('"', "\\", "\ufeff5", "x\ny", " Actiu ", "Sense  informació", "a" * 10_000),
)
TEXTS = st.none() | st.sampled_from(HOSTILE) | st.text(max_size=12) | st.text(" 0123456789.-+eE:/T", max_size=12)


def collect(cases: int, strategy: st.SearchStrategy) -> list:
    """Collect cases, all of which are looked at together: a frame of Spark for each would take hours."""
    cases_found = []

    @settings(max_examples=cases, phases=[Phase.generate], database=None, deadline=None, suppress_health_check=ANY)
    @given(case=strategy)
    def keep(case: object) -> None:
        cases_found.append(case)

    keep()
    return cases_found
