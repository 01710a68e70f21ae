"""What a column's name suggests: a sensitive attribute, a stand-in for one, a code, a key."""

from __future__ import annotations

import re

SENSITIVE = re.compile(
    r"(sex|gender|race|ethnic(ity|_?origin|_?group)?|religi(on|ous|osity)|nationality|citizen(ship)?|age"
    r"|age_?(group|band|years|in_years|at_.*)?|marital(_?status)?|marriage|disab(ility|led)"
    r"|sexual_?orientation|foreign(_?worker)?|pregnan(t|cy)|veteran|caste|personal_status_sex"
    r"|geschlecht|alter|sexe|sexo)",
    re.IGNORECASE,
)
STANDS_IN = re.compile(
    r"(zip|zip_?code|post_?code|postal(_?code)?|plz|census_?tract|neighbou?rhood|borough"
    r"|(first|given|last|sur|family|full|middle)_?name|name|surname)",
    re.IGNORECASE,
)
MAY_STAND_IN = re.compile(
    r"(native_?country|country(_of_birth)?|birth_?place|place_of_birth|language|county|city"
    r"|district|region|state|school|occupation)",
    re.IGNORECASE,
)
CODE = re.compile(
    r".*(^|_)(code|cd|type|category|cat|class|sic|naics|mcc|icd9?|diag|region|state|county"
    r"|country|status|gender|sex|race)(_?id)?",
    re.IGNORECASE,
)
KEY = re.compile(
    r"(id|key|uuid|guid|nr|no|number|index|row|record|instant|seq|sequence)|.*[_\s](id|key|uuid|guid)"
    r"|.*[a-z](Id|ID)",
    re.IGNORECASE,
)
WEIGHT = re.compile(
    r"(fnlwgt|p_?weight|(sampl(e|ing)|survey|person|final|case)_?(weight|wgt|wt)s?)", re.IGNORECASE
)
BORN = re.compile(r".*(birth|born|dob).*", re.IGNORECASE)
TARGETS = re.compile(
    r"(target|label|class|outcome|y|default.*|churn(ed)?|is_.*|has_.*|survived|approved|repaid"
    r"|response|result|diagnosis|income|price|score|.*_risk)",
    re.IGNORECASE,
)


def plain(name: str) -> str:
    """Return a name with `_` for every other sign."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")


def fits(pattern: re.Pattern[str], name: str) -> bool:
    """Return whether a whole name fits a pattern, whatever its signs between words."""
    return pattern.fullmatch(plain(name)) is not None
