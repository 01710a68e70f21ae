"""National ids: their pattern, their check digits, and words that must be near them.

If the check digits let one random number in ten pass, an id counts only beside a word that names
it. If pattern and check digits together let fewer than one in a thousand pass, no word is needed.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple


class NationalId(NamedTuple):
    """A kind of id; `module` of python-stdnum validates matches ("": there are no check digits)."""

    name: str
    module: str
    pattern: str
    words: str = ""  # one of these must be before it or in the name of its column


NINO = r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]"
_TABLE = (
    ("Italian codice fiscale", "it.codicefiscale", r"[A-Z]{6}\d\d[A-T]\d\d[A-Z]\d{3}[A-Z]"),
    ("French NIR", "fr.nir", r"[12] ?\d\d ?[01]\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d"),
    ("Finnish HETU", "fi.hetu", r"\d{6}[-+A]\d{3}[0-9A-Y]"),
    ("Belgian national number", "be.nn", r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d"),
    ("Norwegian fødselsnummer", "no.fodselsnummer", r"\d{6} ?\d{5}"),
    ("Swiss AHV number", "ch.ssn", r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d\d"),
    ("Brazilian CPF", "br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d\d"),
    ("Korean RRN", "kr.rrn", r"\d{6}-[1-8]\d{6}"),
    ("Chinese resident id", "cn.ric", r"\d{17}[\dX]"),
    ("Mexican CURP", "mx.curp", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z\d]\d"),
    ("US social security number", "us.ssn", r"\d{3}-\d\d-\d{4}"),
    ("US social security number", "us.ssn", r"\d{3}[ .]?\d\d[ .]?\d{4}", "ssn|social.?security"),
    ("German tax id", "de.idnr", r"\d\d ?\d{3} ?\d{3} ?\d{3}", r"steuer\S*|idnr|tax.?id|tin"),
    ("Dutch BSN", "nl.bsn", r"\d{9}", r"bsn|burgerservice\w*|sofi"),
    ("Polish PESEL", "pl.pesel", r"\d{11}", "pesel"),
    ("Spanish DNI", "es.dni", r"\d{8}-?[A-Z]", "dni|nif|documento"),
    ("Spanish NIE", "es.nie", r"[XYZ]-?\d{7}-?[A-Z]", r"nie|extranjer\w+"),
    ("Portuguese NIF", "pt.nif", r"\d{3} ?\d{3} ?\d{3}", "nif|contribuinte"),
    ("NHS number", "gb.nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", "nhs"),
    ("UK insurance number", "", NINO, "national.insurance|nino|ni.(?:no|number)"),
    ("Irish PPS number", "ie.pps", r"\d{7}[A-W][A-IW]?", "ppsn?"),
    ("Canadian SIN", "ca.sin", r"\d{3}[ -]?\d{3}[ -]?\d{3}", r"social.insurance|sin.n\w+"),
    ("Aadhaar number", "in_.aadhaar", r"\d{4} ?\d{4} ?\d{4}", "aadha+r|uidai"),
    ("Austrian insurance number", "at.vnr", r"\d{4} ?\d{6}", r"svnr|sozialvers\w*"),
    ("Swedish personnummer", "se.personnummer", r"\d{6,8}[-+]?\d{4}", "person(?:nr|nummer)"),
    ("Danish CPR number", "dk.cpr", r"\d{6}-?\d{4}", "cpr"),
    ("Czech birth number", "cz.rc", r"\d{6}/?\d{4}", r"rodn[eé]\w*|birth.number"),
    ("Romanian CNP", "ro.cnp", r"\d{13}", "cnp"),
    ("Australian TFN", "au.tfn", r"\d{3} ?\d{3} ?\d{3}", "tfn|tax.file"),
    ("Belgian national number", "be.nn", r"\d{11}", r"rijksregister\w*|niss|insz"),
    ("Brazilian CPF", "br.cpf", r"\d{11}", "cpf"),
)
IDS = tuple(NationalId(*one) for one in _TABLE)


@cache
def pattern(one: NationalId) -> re.Pattern[str]:
    """Return the regular expression of an id that is not part of a longer number or word."""
    return re.compile(rf"(?<![\w.+-]){one.pattern}(?!\w|[.-]\w)", re.IGNORECASE)


@cache
def words(one: NationalId) -> re.Pattern[str]:
    """Return the regular expression of the words that must be before the id."""
    return re.compile(rf"(?<![^\W\d_])(?:{one.words})(?![^\W\d_])", re.IGNORECASE)


def valid(one: NationalId, written: str) -> bool:
    """Return whether the id's check digits are correct."""
    if not one.module:
        return True
    module: Any = import_module(f"stdnum.{one.module}")
    plain = re.sub("[ .]", "", written)
    return bool(module.is_valid(written.upper()) or module.is_valid(plain.upper()))
