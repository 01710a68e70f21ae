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
    r"|district|region|state|school|occupation|commune|ward|suburb|address"
    r"|(.*_)?(lat|latitude|lon|long|lng|longitude))",
    re.IGNORECASE,
)
GROUP = re.compile(
    r"(.*_)?(sex|gender|race|ethn|ethnic|ethnicity|black|white|asian|hisp|hispan|hispanic|latin[oax]"
    r"|nonwhite|female|male|immigrant|married|marr|marit|maritl|divorced|widowed|nevermarried"
    r"|muslim|catholic|protestant|christian|jewish)(_.*)?",
    re.IGNORECASE,
)
"""A column for one group of persons, as in `female`, `sex_m` or `black`."""
CODE = re.compile(
    r".*(^|_)(code|cd|type|category|cat|class|sic|naics|mcc|icd9?|diag|region|state|county"
    r"|country|status|gender|sex|race|ethn|commune|ward|site|cent(er|re)|clinic|branch|dep(artmen)?t)"
    r"(_?id)?|.*(code?|fips)[0-9]?",
    re.IGNORECASE,
)
CODE_ID = re.compile(r".*([_\s]id|[a-z](Id|ID))")
"""A key that few values share, such as `StoreID`, is a code."""
KEY = re.compile(
    r"(id|pid|key|uuid|guid|nr|no|number|index|row|record|instant|seqn?|sequence)"
    r"|.*[_\s](id|key|uuid|guid|nr|no|nbr|num|number)|.*(?-i:[a-z](Id|ID))",
    re.IGNORECASE,
)
JOINED_KEY = re.compile(r".*[a-z](id|num|nbr|nr)", re.IGNORECASE)
"""A key without a sign before its ending, such as `countyid` or `provnum`."""
ROW_KEY = re.compile(r"(id|pid|nr|uuid|guid|id_?num|pid_?num|seqn|case_?id|ssn)", re.IGNORECASE)
"""A key of rows or persons that does not say whose key it is."""
TIME = re.compile(
    r"(.*_)?(time|date|datetime|timestamp|stamp|ts|epoch|unix|created|updated|modified|at|on)(_.*)?"
    r"|.*(time|date|timestamp)",
    re.IGNORECASE,
)
WORD = re.compile(
    r".*(paid|bid|acid|lipid|roid|fluid|valid|covid|grid|solid|liquid|rapid|humid|aid|kid|mid|void"
    r"|said|hybrid|(hour|day|week|month|quarter|year)(_?n(um|br|r)))",
    re.IGNORECASE,
)
"""A word that only ends like a key."""
REMARK = re.compile(
    r"(.*_)?(comments?|remarks?|notes?|description|memo|free_?text|address)", re.IGNORECASE
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


def is_key(name: str) -> bool:
    """Return whether a name is that of a key, such as `id`, `order_no` or `countyid`."""
    return fits(KEY, name) or (fits(JOINED_KEY, name) and not fits(WORD, name))


def plain(name: str) -> str:
    """Return a name with `_` for every other sign."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")


def fits(pattern: re.Pattern[str], name: str) -> bool:
    """Return whether a whole name fits a pattern, whatever its signs between words."""
    return pattern.fullmatch(plain(name)) is not None
