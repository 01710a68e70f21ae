"""Generate identifiers and look-alikes with a seed, and count how many of each the check reports.

    python tests/helpers/pii_corpus.py      # print the tables of docs/pii.md

National ids are generated at random, and kept if python-stdnum accepts their check digits. All
other check digits are computed here.
"""

from __future__ import annotations

import random
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from hashlib import md5, sha1, sha256
from importlib import import_module

from governed_ml.checks.identifiers.detection import find
from governed_ml.checks.identifiers.national_ids import IDS

SEED, EACH = 20260101, 300
LONGEST = 32  # characters of an example
DRAW = random.Random(SEED)  # noqa: S311 - a corpus, no secret
Line = Callable[[], str]


def digits(count: int, first: str = "0123456789") -> str:
    """Random digits, of which the first is one of some."""
    return DRAW.choice(first) + "".join(DRAW.choices("0123456789", k=count - 1))


def filled(form: str) -> str:
    """A form with `#` for digits, `@` for letters, `D` `M` `Y` for a day, a month and a year."""
    date = {"D": f"{DRAW.randint(1, 28):02}", "M": f"{DRAW.randint(1, 12):02}"}
    date["Y"] = f"{DRAW.randint(40, 99):02}"
    draw = {"#": lambda: digits(1), "@": lambda: DRAW.choice("ABCDEFGHJKLMNPRSTVWXYZ")}
    return "".join(draw[one]() if one in draw else date.get(one, one) for one in form)


# Identifiers

PEOPLE = ("anna.schmidt", "j_doe", "marie-claire", "o.brien", "x1987", "bob+news", "lucia")
HOSTS = ("gmail.com", "web.de", "orange.fr", "mail.some-bank.co.uk", "firma.io", "post.museum")


def email() -> str:
    """An address, sometimes in capitals or with a number."""
    written = f"{DRAW.choice(PEOPLE)}{DRAW.choice(['', digits(2)])}@{DRAW.choice(HOSTS)}"
    return DRAW.choice([str, str, str.upper, str.title])(written)


def iban() -> str:
    """A bank account of one of eight countries; plain, in groups, or in small letters."""
    country, form = DRAW.choice(
        [
            *(("DE", "#" * 18), ("GB", "@@@@" + "#" * 14), ("NL", "@@@@" + "#" * 10)),
            *(("CH", "#" * 17), ("PL", "#" * 24), ("DK", "#" * 14), ("LU", "#" * 16)),
            ("AT", "#" * 16),
        ]
    )
    bban = filled(form)
    number = "".join(str(int(one, 36)) for one in f"{bban}{country}00")
    whole = f"{country}{98 - int(number) % 97:02}{bban}"
    grouped = " ".join(re.findall(".{1,4}", whole))
    return DRAW.choice([whole, grouped, grouped, whole.lower(), grouped.replace(" ", "-")])


def luhn(start: str) -> str:
    """A number with its check digit."""
    odd = [int(one) for one in start[-2::-2]]
    even = [sum(divmod(2 * int(one), 10)) for one in start[::-2]]
    return start + str(-(sum(odd) + sum(even)) % 10)


def card() -> str:
    """A card of one of six issuers; plain, or in the groups that are printed on it."""
    start, length = DRAW.choice(
        [
            *(("4", 16), ("5" + digits(1, "12345"), 16), ("2" + digits(3, "3456"), 16)),
            *(("37", 15), ("34", 15), ("6011", 16), ("36", 14), ("3528", 16)),
        ]
    )
    whole = luhn(start + digits(length - len(start) - 1))
    sizes = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}[length]
    parts, rest = [], whole
    for size in sizes:
        parts, rest = [*parts, rest[:size]], rest[size:]
    return DRAW.choice([whole, " ".join(parts), "-".join(parts)])


ABROAD = (
    *("+49 30 9######", "+49 (0)89 2######", "+49 151 2#######", "+33 6 ## ## ## ##"),
    *("+33 1 4# ## ## ##", "+44 20 7### ####", "+44 7400 ######", "+1 212-5##-####"),
    *("+1 (415) 6##-####", "+34 612 ### ###", "+39 347 ### ####", "+31 6 1#######"),
    *("+46 70 ### ## ##", "+41 79 ### ## ##", "+48 601 ### ###", "+91 98### #####"),
    *("+55 11 9#### ####", "+61 4## ### ###", "+4915112######", "+33612######"),
)
AT_HOME = (
    *("Tel. 030 9######", "Telefon: 089/2######", "mobil 0151 2#######", "tél : 06 12 ## ## ##"),
    *("phone: (212) 5##-####", "Phone 415-6##-####", "fax: 020 7### ####", "mobile=07400 ######"),
    *(
        "Handy 0171-2######",
        "téléphone 01 4# ## ## ##",
        "(312) 6##-####",
        "call me at 303-4##-####",
    ),
)


def phone_abroad() -> str:
    """A number as it is dialled from abroad."""
    return filled(DRAW.choice(ABROAD))


def phone_at_home() -> str:
    """A number as it is written at home, beside a word for it (or in the American way)."""
    return filled(DRAW.choice(AT_HOME))


def bare(make: Line) -> Line:
    """The same without the word before it: the number alone."""
    return lambda: re.sub(r"^[^\d(+]*", "", make())


def ip() -> str:
    """A public address, of version 4 or 6."""
    if DRAW.random() < 0.3:
        groups = [f"{DRAW.randrange(65536):x}" for _ in range(DRAW.choice([3, 7]))]
        return f"2a0{digits(1)}:{':'.join(groups)}".replace(":0:", ":1:") + (
            "::1" if len(groups) == 3 else ""
        )
    first = DRAW.choice([n for n in range(3, 200) if n not in (10, 100, 127, 169, 172, 192, 198)])
    return f"{first}.{DRAW.randrange(256)}.{DRAW.randrange(256)}.{DRAW.randrange(1, 255)}"


NATIONAL: dict[str, tuple[str, str]] = {  # module of python-stdnum → form, words before it
    "it.codicefiscale": ("@@@@@@YMB##@###@", ""),  # a letter for the month is drawn below
    "fr.nir": ("1YM75######{##}", ""),
    "fi.hetu": ("DMY-###@", ""),
    "be.nn": ("Y.M.D-###.##", ""),
    "no.fodselsnummer": ("DMY#####", ""),
    "ch.ssn": ("756.####.####.##", ""),
    "br.cpf": ("###.###.###-##", ""),
    "kr.rrn": ("YMD-1######", ""),
    "cn.ric": ("11010119YMD####", ""),
    "us.ssn": ("###-##-####", ""),
    "de.idnr": ("## ### ### ###", "Steuer-ID "),
    "nl.bsn": ("#########", "BSN: "),
    "pl.pesel": ("YMD#####", "PESEL "),
    "es.dni": ("########@", "DNI "),
    "es.nie": ("X#######@", "NIE: "),
    "pt.nif": ("2########", "NIF "),
    "gb.nhs": ("### ### ####", "NHS number "),
    "ie.pps": ("#######@", "PPS "),
    "ca.sin": ("###-###-###", "social insurance number "),
    "in_.aadhaar": ("#### #### ####", "Aadhaar: "),
    "at.vnr": ("#### DMY", "SVNR "),
    "se.personnummer": ("YMD-####", "personnummer "),
    "cz.rc": ("YMD/####", "rodné číslo "),
    "ro.cnp": ("1YMD12####", "CNP "),
    "au.tfn": ("### ### ###", "TFN "),
}


def national_ids() -> Iterator[str]:
    """For each country as many ids, whose check digits are right."""
    for name, (form, words) in NATIONAL.items():
        module, found = import_module(f"stdnum.{name}"), 0
        while found < 2 * EACH // len(NATIONAL):
            written = filled(form.replace("{##}", "##").replace("MB", DRAW.choice("ABCDEHLMPRST")))
            if module.is_valid(written):
                found += 1
                yield words + written


# Look-alikes


def version() -> str:
    """Four numbers that are a version."""
    four = ".".join(str(DRAW.randrange(1, 30)) for _ in range(4))
    forms = ("version {}", "numpy=={}", 'tool >= "{}"', "v{}", "release {}", "## {} (2026-01-01)")
    return DRAW.choice(forms).format(four)


def wrong(make: Line) -> Line:
    """The same with a check digit that is one too high."""

    def line() -> str:
        written = make()
        place = max(i for i, one in enumerate(written) if one.isdigit())
        return f"{written[:place]}{(int(written[place]) + 1) % 10}{written[place + 1 :]}"

    return line


def isbn() -> str:
    """A book's number, with its check digit."""
    start = "978" + digits(9)
    sums = sum(int(one) * (1, 3)[i % 2] for i, one in enumerate(start))
    whole = f"{start}{-sums % 10}"
    return DRAW.choice(
        [whole, f"ISBN {whole[:3]}-{whole[3]}-{whole[4:8]}-{whole[8:12]}-{whole[12]}"]
    )


def hashed(kind: Callable[[bytes], object]) -> Line:
    """The digest of something, as people cite it."""
    return lambda: kind(digits(9).encode()).hexdigest()  # type: ignore[attr-defined]


LOOK_ALIKES: dict[str, Line] = {
    "order number": lambda: f"order {DRAW.choice(['', '#', 'A-', '2026-'])}{digits(8)}",
    "invoice number": lambda: f"INV-2026-{digits(6)}/{digits(3)}",
    "number of 9 digits": lambda: digits(9),
    "number of 10 digits": lambda: digits(10),
    "number of 11 digits": lambda: digits(11),
    "number of 16 digits": lambda: digits(16),
    "git commit": hashed(sha1),
    "SHA-256 digest": hashed(sha256),
    "MD5 digest": hashed(md5),
    "UUID": lambda: str(uuid.UUID(int=DRAW.getrandbits(128))),
    "time in seconds": lambda: f"{DRAW.randint(10**9, 2 * 10**9)}",
    "time in milliseconds": lambda: f"{DRAW.randint(10**12, 2 * 10**12)}",
    "time in nanoseconds": lambda: f"{DRAW.randint(10**18, 18 * 10**17)}",
    "ISO time": lambda: filled("2026-M-DT12:34:##.######Z"),
    "time as digits": lambda: filled("2026MD1234##"),
    "date with a number": lambda: filled("YMD-####"),
    "version": version,
    "decimal number": lambda: (
        f"{DRAW.choice(['', '-', '+'])}{DRAW.random() * 10 ** DRAW.randint(0, 9)!r}"
    ),
    "number with an exponent": lambda: f"{DRAW.random():.17e}",
    "amount of money": lambda: f"{DRAW.randint(10**6, 10**10):,}.{digits(2)} EUR",
    "ISBN": isbn,
    "card with a wrong check digit": wrong(card),
    "IBAN with wrong check digits": wrong(iban),
    "private IP address": lambda: (
        f"{DRAW.choice(['10.1', '192.168', '172.16', '127.0'])}.{digits(1)}.7"
    ),
    "IP address reserved for documentation": lambda: (
        f"{DRAW.choice(['192.0.2', '203.0.113'])}.{digits(2, '1')}"
    ),
    "IP network": lambda: f"{digits(2, '12345')}.{digits(2, '12')}.0.0/16",
    "MAC address": lambda: ":".join(f"{DRAW.randrange(256):02x}" for _ in range(6)),
    "name with double colons": lambda: f"tests/test_a.py::test_{digits(3)} std::cafe fe::ed",
    "GitHub action": lambda: f"uses: actions/checkout@{hashed(sha1)()} # v4.2.2",
    "npm package": lambda: f"left-pad@{digits(1)}.{digits(1)}.{digits(1)}",
    "picture file": lambda: f"logo{digits(2)}@2x.png",
    "git remote": lambda: f"git@github.com:team/repo-{digits(3)}.git",
    "server with a login": lambda: f"ssh://dvc@store{digits(2)}.firma.io/srv",
    "part number": lambda: f"part {digits(4)}-{digits(4)}-{digits(3)}",
    "impossible social security number": lambda: f"000-{digits(2)}-{digits(4)}",
    "coordinates": lambda: f"+{digits(2)}.{digits(6)}, -{digits(2)}.{digits(6)}",
    "shape of an array": lambda: (
        f"({digits(5, '123')}, {digits(4, '12')}, {digits(3, '12')}, {digits(3, '12')})"
    ),
}
IDENTIFIERS: dict[str, Line] = {
    "e-mail address": email,
    "IBAN": iban,
    "payment card": card,
    "phone number, international format": phone_abroad,
    "phone number, national format": phone_at_home,
    "phone number, national format, with no word": bare(phone_at_home),
    "IP address": ip,
}
AROUND = (
    *("{}", "see {} for more", "value: {}", '"{}"', "a;{};b", "({})", "{}, checked", "{}."),
    *(
        "key={}",
        '{{"key":"{}"}}',
        "['{}', 1]",
        "<td>{}</td>",
        "1,{},2",
        "a\t{}\tb",
        "| {} |",
        "#{}",
    ),
)


def measure() -> dict[str, dict[str, int]]:
    """Return kind → how many were drawn, found, and of the found how many falsely."""
    DRAW.seed(SEED)  # whatever others have drawn before
    known = {f" {one.name}" for one in IDS}
    drawn = {name: [make() for _ in range(EACH)] for name, make in IDENTIFIERS.items()}
    drawn |= {"national id": list(national_ids())}
    drawn |= {"national id, with no word": [bare(lambda one=one: one)() for one in national_ids()]}
    drawn |= {name: [make() for _ in range(EACH)] for name, make in LOOK_ALIKES.items()}
    table = {name: {"drawn": len(some), "found": 0, "false": 0} for name, some in drawn.items()}
    for name, some in drawn.items():
        lines = [DRAW.choice(AROUND).format(one) for one in some]
        right: set[int] = set()
        for line, text in enumerate(lines):
            for hit in find([text]):
                kind = "national id" if f" {hit.kind}" in known else hit.kind
                if kind == name.partition(",")[0]:
                    right.add(line)
                else:
                    table[name]["false"] += 1
                    print(f"{name}: {text!r} is reported as {hit.kind}", file=sys.stderr)
        missed = [one for line, one in enumerate(lines) if line not in right]
        if name in (*IDENTIFIERS, "national id"):
            print(
                "".join(f"{name}: {one!r} is missed\n" for one in missed), file=sys.stderr, end=""
            )
        table[name]["found"] = len(right)
    return table


def examples() -> dict[str, str]:
    """Return one look-alike of each kind, shortened."""
    DRAW.seed(SEED)
    drawn = {name: make() for name, make in LOOK_ALIKES.items()}
    return {name: f"{one[:LONGEST]}…" if len(one) > LONGEST else one for name, one in drawn.items()}


def shown(table: dict[str, dict[str, int]]) -> str:
    """Return the tables of `docs/pii.md`: recall of each kind, look-alikes that were reported."""
    kinds = {name: one for name, one in table.items() if name not in LOOK_ALIKES}
    lines = ["| identifiers | generated | found | recall |", "| --- | ---: | ---: | ---: |"]
    for name, one in kinds.items():
        recall = f"{one['found'] / one['drawn']:.3f}"
        lines.append(f"| {name} | {one['drawn']:,} | {one['found']:,} | {recall} |")
    lines += ["", "| look-alikes | example | generated | wrongly reported |"]
    lines += ["| --- | --- | ---: | ---: |"]
    for name, example in examples().items():
        one = table[name]
        lines.append(f"| {name} | `{example}` | {one['drawn']:,} | {one['false']:,} |")
    marked = [one for name, one in kinds.items() if not name.endswith("with no word")]
    found = sum(one["found"] for one in marked)
    false = sum(one["false"] for one in table.values())
    recall = found / sum(one["drawn"] for one in marked)
    lines += ["", f"Precision {found / (found + false):.3f}, recall {recall:.3f}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(shown(measure()), end="")
