"""Faults about people: identifiers in files and columns, sensitive attributes as features."""

from __future__ import annotations

import re
from typing import Any

from governed_ml.core import tables
from governed_ml.drill.command_result import Sign
from governed_ml.drill.fault import Fault, Nothing
from governed_ml.drill.faults.data import rewrite
from governed_ml.drill.scratch import Scratch, whole

MAIL, IBAN = "jane.roe~@contoso.com", "DE89 37~04 0044 0532 0130 00"
CARD = 4111 * 10**12 + 111_111_111_111
IDENTIFIERS = (  # text of a file → how the check must describe it
    (f"Ask {MAIL}", "e-mail address"),
    (f"IBAN {IBAN}", "IBAN"),
    ("4111 11~11 1111 1111", "payment card"),
    ("5555555~555554444", "payment card"),
    ("3782 822~463 10005", "payment card"),
    ("3056930~9025904", "payment card"),
    ('"a\\n4111111~111111111\\n"', "payment card"),
    ("+4~9 30 901820", "phone number"),
    ("004~9 30 901820", "phone number"),
    ("(212) 7~36-5000", "phone number"),
    ("Telefon 030 90~1820", "phone number"),
    ("RSSMRA85~T10A562S", "Italian codice fiscale"),
    ("2 95 10 99 1~26 111 93", "French NIR"),
    ("1310~52-308T", "Finnish HETU"),
    ("85.07.3~0-033.28", "Belgian national number"),
    ("NISS 850~73003328", "Belgian national number"),
    ("15108~6 95088", "Norwegian fødselsnummer"),
    ("756.9~217.0769.85", "Swiss AHV number"),
    ("390.5~33.447-05", "Brazilian CPF"),
    ("CPF 3905~3344705", "Brazilian CPF"),
    ("90010~1-1234568", "Korean RRN"),
    ("36042619~9101010071", "Chinese resident id"),
    ("BOXW3108~20HNERXN09", "Mexican CURP"),
    ("536-9~0-4399", "US social security number"),
    ("SSN 536~904399", "US social security number"),
    ("name,ssn\nanna,536~904399", "US social security number"),
    ("Steuer-ID 36 57~4 261 809", "German tax id"),
    ("BSN 1112~22333", "Dutch BSN"),
    ("PESEL 4405~1401359", "Polish PESEL"),
    ("DNI 5436~2315K", "Spanish DNI"),
    ("NIE X248~2300W", "Spanish NIE"),
    ("NIF 501 9~64 843", "Portuguese NIF"),
    ("NHS 943 4~76 5870", "NHS number"),
    ("NINO AB 12~ 34 56 C", "UK insurance number"),
    ("PPS 6433~435F", "Irish PPS number"),
    ("SIN number 123 4~56 782", "Canadian SIN"),
    ("Aadhaar 2341 23~41 2346", "Aadhaar number"),
    ("SVNR 1237 01~0180", "Austrian insurance number"),
    ("personnummer 8803~20-0016", "Swedish personnummer"),
    ("CPR 2110~62-5629", "Danish CPR number"),
    ("rodné číslo 7103~19/2745", "Czech birth number"),
    ("CNP 163061~5123457", "Romanian CNP"),
    ("TFN 123 4~56 782", "Australian TFN"),
    ("93.1~84.216.34", "IP address"),
    ("2a00~:1450:4001:81b::200e", "IP address"),
)
COLUMNS: dict[str, tuple[str | int | float, str]] = {
    "drill_a": (MAIL, "e-mail address"),
    "drill_b": (IBAN, "IBAN"),
    "drill_c": (CARD, "payment card"),
    "drill_d": (float(CARD), "payment card"),
    "drill_e": ("+4~9 30 901820", "phone number"),
    "drill_telephone": ("030 90~1820", "phone number"),
    "drill_f": ("536-9~0-4399", "US social security number"),
    "drill_bsn": ("1112~22333", "Dutch BSN"),
    "drill_g": ("93.1~84.216.34", "IP address"),
    "drill_h": ("2a00~:1450:4001:81b::200e", "IP address"),
}


def files(scratch: Scratch) -> Sign:
    """Commit direct identifiers of every kind, each in its own file."""
    return scratch.plant_each(
        "docs/people/",
        {
            f"{number:02}.md": (f"{text}\n", f"looks like an? {kind}: ")
            for number, (text, kind) in enumerate(IDENTIFIERS)
        },
    )


def columns(scratch: Scratch) -> Sign:
    """Add columns with identifiers to the table, as text and as numbers."""
    values = {
        name: whole(value) if isinstance(value, str) else value
        for name, (value, _) in COLUMNS.items()
    }
    rewrite(scratch, tables.RAW, lambda frame: frame.assign(**values))
    return Sign(tuple(f"column '{name}': {kind} in " for name, (_, kind) in COLUMNS.items()))


def features(scratch: Scratch) -> Sign:
    """Make sensitive attributes, or proxies of one, features."""
    numeric, categorical = scratch.features()
    first, *others = [*numeric, *categorical]
    if not others:
        raise Nothing("there is only one feature")
    protected, proxy = first.swapcase(), others[-1]

    def named(values: Any) -> None:
        data = values["data"]
        data["sensitive"] = dict(data.get("sensitive") or {}) | {protected: None}
        data["proxies"] = [*(data.get("proxies") or []), proxy]

    scratch.edit_yaml("params.yaml", named)
    scratch.commit("What is protected")
    protected, proxy = re.escape(protected), re.escape(proxy)
    return Sign(
        (
            rf"split\.json: '{protected}' is named under data\.sensitive and is among",
            rf"split\.json: '{proxy}' is named under data\.proxies and is among",
            rf"params\.yaml: '{proxy}' is both a proxy \(data\.proxies\) and a feature",
        )
    )


PII = ("check", "pii")
FAULTS = (
    Fault("pii", "files contain personal identifiers", (), PII, files),
    Fault("pii-column", "columns contain personal identifiers", (), PII, columns),
    Fault("pii-feature", "sensitive attributes are used as features", (), PII, features),
)
