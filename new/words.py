"""What the template says of the census, and what a new project says in its place.

The machinery (evaluation, production, session, datasets, recipes) is the template's own text with other words. Each
list is applied in its order. A rule that finds nothing in any file is out of date: `Words.unused` names it, and the
test of `make new` fails. So does it when a word of the census is left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

CENSUS_WORDS = re.compile(r"premis|census|censal|barcelona|barri|district|vintage|council|is_active", re.IGNORECASE)
"""What no file of a new project may say."""

NODES = r"data_engineering/nodes\.py$"
MODULES = "|".join(sorted({path.stem for path in Path(__file__).parents[1].glob("src/premises/*")} | {"traceback"}))
PYTHON, PAGES, CATALOG = r"\.py$", r"\.html$", r"catalog\.yml$"

CUTS = [
    # What is the census' alone. `district` comes as a partition of the engines' tables, and as the place that reports
    # compare models by: the place stays, under the name of another column.
    (r"hooks\.py$", r".*\bimport VINTAGES\n|^ +self\._vintage = .*\n|VINTAGES\[self\._vintage\], ", ""),
    (r"hooks\.py$", r"(?s:^DRAW = .*?^\})", 'HOW_TO_GET = {"raw_file": "Put your file there."}'),
    (r"hooks\.py$", r'"rows", ', ""),
    (
        r"pipeline_registry\.py$",
        r" `sample_census`\s+stands outside: [^.]*\.|sample_census, |^ +\"sample_census\".*\n",
        "",
    ),
    (
        r"sklearn_research/pipeline\.py$",
        r"^ +plot_score_map,\n|^ +\"research_map\",\n|^ +Node\(plot_score_map, .*\n",
        "",
    ),
    (r"plots\.py$", r"(?s:^def plot_score_map\(.*?)(?=^def )", ""),
    (r"plots\.py$", r"^from premises\.frames", "from ⟨name⟩.data.schema import name_group\n\\g<0>"),
    (PAGES, r"lift_inactive(.*)lift of not active in the lowest", r"lift\1lift of positives in the highest"),
    (
        r"report\.py$",
        r'"lift_inactive": "Lift of not active in the lowest',
        '"lift": "Lift of positives in the highest',
    ),
    (r"report\.py$", r"^ +\"Map of Barcelona.*\n", ""),
    (r"report\.py$", r"importances, map, the\n +top of the tree", "importances, the top of\n            the tree"),
    (NODES, r"census_rules\(VINTAGES\[parameters\.vintage\]\)", "file_rules()"),
    (NODES, r'^ +"vintage": .*\n|^ +drawn=.*\n|`vintage` and (?=`rej)|`vintage`, (?=`rows)', ""),
    (NODES, r'is_active, name = (nw\.col\("is_active"\)), .*', r"is_active = \1"),
    (NODES, r"those of them\n +drawn as a sample \(`drawn`\), by", "by"),
    (NODES, r", parameters: CensusParameters(?=\) -> IntoFrameT)|^ +parameters: `vintage`\.\n", ""),
    (NODES, r"(?<=columns of )the vintage", "the schema"),
    (NODES, r"check_premises", "apply_contract"),
    (NODES, r"CensusParameters", "DataParameters"),
    (NODES, r"census\.rejected_share", "data.rejected_share"),
    (r"rejections\.html$", r"They are of the census of \{\{ rejections\.vintage \}\}\.\n", ""),
    (CATALOG, r"(?s:^# sample_census\n.*?\n\n)|^_vintage: .*\n", ""),
    (CATALOG, r"^(?:  drawn_census|  table_by_district|research_map|official_barris): .*\n", ""),
    (CATALOG, r"^_census_file: 01_raw/.*csv\}", "_census_file: 01_raw/⟨name⟩.${runtime_params:format,⟨format⟩}"),
    (r"globals\.yml$", r"^  table_by_district:\n(?:    .*\n)+|^vintage: .*\n", ""),
    (CATALOG, r"table_by_district", "table"),
    (
        r"pyproject\.toml$",
        r'^ +"premises\.pipelines\.sample_census",\n|"census/\*\.json", |^"benchmarks/.*\n',
        "",
    ),
    (r"pyproject\.toml$", r"^description = .*", 'description = "⟨title⟩: from research to production."'),
    (r"pyproject\.toml$", r"^project_name = .*", 'project_name = "⟨title⟩"'),
    (r"pyproject\.toml$", r'(?<=\[)"\.", |, "new"(?=\])', ""),
    (r"pyproject\.toml$", r"then the census", "then the data"),
    (
        r"pyproject\.toml$",
        r'^    "CPY001",.*\n',
        '\\g<0>    "E501",  # names of columns are of any length; the formatter holds code to its own\n',
    ),
    (r"deploy/README\.md$", r"\| here \|", "| in the template |"),
]
"""(file, pattern, text): what goes, and what stands in its place."""

NAMES = [
    (PYTHON + "|" + CATALOG, r"\bcensus_file_dataset\b", "raw_file_dataset"),
    (PYTHON + "|" + CATALOG, r"\bCensusFileDataset\b", "RawFileDataset"),
    (PYTHON, r"\bCensusError\b", "DataError"),
    (PYTHON + "|" + CATALOG + "|pyproject", r"\bpremises\.census\b", "⟨name⟩.data"),
    (PYTHON + "|" + CATALOG, r"\bcensus_file\b", "raw_file"),
    (CATALOG, r"_census_file", "_raw_file"),
    (CATALOG, r"^census: (.*)/census\.parquet", r"raw_rows: \1/raw_rows.parquet"),
    (r"hooks\.py$", r'"census"', '"raw_rows"'),
    (PYTHON + "|" + CATALOG, rf"\bpremises(?=\.(?:{MODULES})\b)", "⟨name⟩"),
    (r"/(?:__main__|cli|hooks|h2o)\.py$", r"(?<=[\"`])premises(?=[\"`])", "⟨name⟩"),
    (PYTHON, r"\bpremises(?= (?:spark-flags|--env|run|with its extra))|(?<=-m )premises|premises(?=-h2o-)", "⟨name⟩"),
    (PYTHON, r"Premises(?=[A-Z])", "⟨camel⟩"),
    (r"deploy/kubernetes/.*\.yml$", r"(?<=[a-z]: )premises\b", "⟨dashed⟩"),
    (r"deploy/README\.md$", r"(?<=namespace=)premises\b|(?<=claim `)premises\b", "⟨dashed⟩"),
    (r"^(?!.*(?:\.py|\.html|catalog\.yml)$)", r"(?<![a-z])premises(?![a-z])", "⟨name⟩"),
    (r"^deploy/", r"PREMISES", "⟨upper⟩"),
    (PYTHON + "|" + CATALOG, r"premises_id", "⟨id⟩"),
    (PYTHON + "|" + PAGES + "|" + CATALOG, r"is_active", "⟨label⟩"),
    (PYTHON + "|" + CATALOG, r"premises_(features|scores)", r"row_\1"),
    (PYTHON + "|" + PAGES + "|" + CATALOG, r"(?<=_)premises(?![a-z])|\bpremises(?=_)", "rows"),
    (PYTHON, r"f\"district \{record\['district_id'\]:\.0f\}\"", 'name_group(record["⟨group⟩"])'),
    (PYTHON, r"district_id", "⟨group⟩"),
    (PYTHON + "|" + PAGES, r"by_district", "by_group"),
    (PYTHON, r"\bdistricts\b", "groups"),
]
"""Names of things: packages, datasets, columns, classes."""

PROSE = [
    (PAGES + "|" + PYTHON, r"Is a premises active\?", "⟨question⟩"),
    (PYTHON + "|" + PAGES, r"\bdistrict\b", "⟨group_words⟩"),
    (PYTHON + "|" + PAGES, r"\b([Aa])n active premises", r"\1 positive row"),
    (PYTHON + "|" + PAGES, r"\b([Aa]n?|[Ee]very|[Ee]ach|[Oo]ne|[Hh]alf a) premises\b", r"\1 row"),
    (PYTHON + "|" + PAGES, r"\bpremises'", "rows'"),
    (PYTHON + "|" + PAGES + "|" + CATALOG, r"\bpremises\b", "rows"),
    (NODES, r"(?<!the )\bcensus\b(?=[,:)])", "raw_rows"),
    (PYTHON + "|" + PAGES, r"\bPremises\b", "Rows"),
    (PYTHON + "|" + PAGES, r"(known) status\b", r"\1 label"),
    (PYTHON + "|" + PAGES, r"\b(by) status\b", r"\1 label"),
    (PYTHON + "|" + PAGES, r"\bof (active|not active)\b(?! rows)", r"of \1s"),
    (PYTHON + "|" + PAGES, r"\bnot active", "negative"),
    (PYTHON + "|" + PAGES, r"\bNot active", "Negative"),
    (PYTHON + "|" + PAGES, r"(?<![a-z])inactive(?![a-rt-z])", "negative"),
    (PYTHON + "|" + PAGES, r"(?<![a-z])active(?![a-rt-z])", "positive"),
    (PYTHON + "|" + PAGES, r"(?<![a-z])Active(?![a-z])", "Positive"),
    (PYTHON + "|" + PAGES, r"\bcity\b", "file"),
    (PYTHON + "|" + PAGES, r"\bcensus\b", "file"),
]
"""What people read."""


@dataclass
class Words:
    """The words of one new project.

    Attributes:
        values: What stands in the braces of the rules.
        unused: The patterns that no file has needed so far.
    """

    values: dict[str, str]
    unused: list[str] = field(default_factory=lambda: [f"{path}: {old}" for path, old, _ in (*CUTS, *NAMES, *PROSE)])

    def put(self, path: str, text: str) -> str:
        """Say a file of the template in the words of the project.

        Args:
            path: The file, below the template.
            text: What it says.

        Returns:
            What it says in the new project.
        """
        for where, old, new in (*CUTS, *NAMES, *PROSE):
            if re.search(where, path):
                text, found = re.subn(old, new, text, flags=re.MULTILINE)
                if found and (rule := f"{where}: {old}") in self.unused:
                    self.unused.remove(rule)
        # The values come last: they are a person's own words, which no rule is for.
        return re.sub("⟨([a-z_]+)⟩", lambda found: self.values[found[1]], text)
