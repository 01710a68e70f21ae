"""Dates have one reading, which is asked for where there are two, and holds for later rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import served
from served import every_push, in_own_folder, kinds  # noqa: F401 - a fixture, too

from governed_ml.core.problem import Problem

pytestmark = pytest.mark.usefixtures("inside")


# --- dates ----------------------------------------------------------------------------------------

MONTHS = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(400) * 31 % 700, "D")
US = pd.Series([f"{day.month:02}/{day.day % 12 + 1:02}/{day.year}" for day in MONTHS])


@pytest.mark.parametrize("suffix", every_push("csv"))
def test_dates_that_can_be_read_in_two_ways_are_asked_about(suffix: str) -> None:
    # Given dates of the first twelve days of a month, month first
    table = served.loans().assign(applied_on=US)
    source = served.write(table, Path(f"table.{suffix}"))
    # When they are ingested, then both readings are said
    said = "'applied_on' has 400 dates that can all be read as %d/%m/%Y or as %m/%d/%Y; 3"
    with pytest.raises(Problem, match=said):
        served.ingested(source, time="applied_on")
    # And the answer is kept, and holds in production
    answer = {"applied_on": "%m/%d/%Y"}
    model = served.train(source, time="applied_on", dates=answer, sensitive={"sex": {}})
    right = pd.to_datetime(US, format="%m/%d/%Y")
    raw = pd.read_parquet("data/raw.parquet")
    assert (raw["applied_on"] == right).all()
    given, _ = model.monitor(served.write(table, Path(f"batch.{suffix}")))
    assert (given.frame["applied_on"] == right).all()
    # And dates that are written otherwise are refused
    given, _ = model.monitor(served.write(served.loans(), Path("iso.csv")))
    assert given.unfit["applied_on"] == 400


def test_dates_with_one_reading_are_read_and_mixed_ones_refused() -> None:
    # Given dates of which one day is beyond the twelfth
    dates = US.where(US.index > 0, "12/31/2024")
    source = served.write(served.loans().assign(applied_on=dates), Path("table.csv"))
    # When they are ingested, then the reading is known, and shown
    _, columns = served.ingested(source, time="applied_on")
    assert columns[0].format == "%m/%d/%Y"
    assert pd.read_parquet("data/raw.parquet")["applied_on"][0] == pd.Timestamp("2024-12-31")
    # And where another one is day-first, no reading fits all
    dates = dates.where(dates.index != 1, "31/12/2024")
    source = served.write(served.loans().assign(applied_on=dates), Path("table.csv"))
    with pytest.raises(Problem, match=r"'applied_on' has 399 dates .* \('(31/12|12/31)/2024' once"):
        served.ingested(source, time="applied_on")
    # And a date that there is not is no date
    dates = [f"2026-02-{n % 31 + 1:02}" for n in range(400)]
    source = served.write(served.loans().assign(applied_on=dates), Path("table.csv"))
    with pytest.raises(Problem, match=r"texts that are not .*'2026-02-29' 12 times"):
        served.ingested(source, time="applied_on")


OFFSET = "ISO 8601 with an offset, kept as UTC"


@pytest.mark.parametrize("suffix", every_push("parquet", "db"))
def test_dates_as_text_are_dates_in_every_format_and_offsets_are_kept(suffix: str) -> None:
    # Given dates as text, with and without a time, and with an offset
    plain = served.loans()["applied_on"]
    forms = {
        "ISO 8601": (plain.dt.strftime("%Y-%m-%d"), plain),
        OFFSET: (plain.dt.strftime("%Y-%m-%dT00:30:00+01:00"), plain - pd.Timedelta(minutes=30)),
    }
    forms["ISO 8601, mixed"] = (
        forms["ISO 8601"][0].where(plain.index % 50 > 0, plain.dt.strftime("%Y-%m-%d 14:05:00")),
        plain.where(plain.index % 50 > 0, plain + pd.Timedelta(hours=14, minutes=5)),
    )
    for form, (texts, right) in forms.items():
        source = served.write(served.loans().assign(applied_on=texts), Path(f"table.{suffix}"))
        # When they are the time, then they are read as times, in UTC
        _, columns = served.ingested(source, time="applied_on")
        assert columns[0].format == form.removesuffix(", mixed")
        assert (pd.read_parquet("data/raw.parquet")["applied_on"] == right).all(), form
        # And when they have no role, they are no category
        with pytest.raises(Problem, match="column 'applied_on' is a date: list it under time"):
            served.train(source)
    # And times of which some have an offset are refused
    texts = forms[OFFSET][0].where(plain.index > 4, forms["ISO 8601"][0])
    source = served.write(served.loans().assign(applied_on=texts), Path(f"table.{suffix}"))
    with pytest.raises(Problem, match=rf"395 dates that are written as {OFFSET}, and 5 texts"):
        served.ingested(source, time="applied_on")


NAMED = {"%b %d, %Y": "Jan 01, 2024", "%d %B %Y": "01 January 2024", "%d-%b-%y": "01-Jan-24"}


@pytest.mark.parametrize("form", NAMED)
def test_dates_with_the_name_of_a_month_are_asked_about(form: str) -> None:
    # Given dates that name their month
    table = served.loans().assign(since=MONTHS.strftime(form))
    assert table["since"][0] == NAMED[form]
    source = served.write(table, Path("table.parquet"))
    # When they are ingested, then the format is said, and no category comes of them
    with pytest.raises(Problem, match=f"'since' has 400 texts that are dates written as {form}, "):
        served.ingested(source, time="applied_on")
    # And either answer is heeded
    _, columns = served.ingested(source, time="applied_on", dates={"since": form})
    assert kinds(columns)["since"] == "date"
    assert (pd.read_parquet("data/raw.parquet")["since"] == MONTHS).all()
    _, columns = served.ingested(source, time="applied_on", categorical=["since"])
    assert pd.read_parquet("data/raw.parquet")["since"].tolist() == table["since"].tolist()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_whole_numbers_that_are_all_days_are_asked_about(suffix: str) -> None:
    # Given days as numbers of eight digits
    table = served.loans().assign(since=MONTHS.strftime("%Y%m%d").astype(int))
    source = served.write(table, Path(f"table.{suffix}"))
    # When they are ingested, then it is asked what they are
    said = "column 'since' has 400 different numbers that are all days written as %Y%m%d, such as 2"
    with pytest.raises(Problem, match=said):
        served.ingested(source, time="applied_on")
    # And each answer is heeded
    served.ingested(source, time="applied_on", dates={"since": "%Y%m%d"})
    assert (pd.read_parquet("data/raw.parquet")["since"] == MONTHS).all()
    for answer in ("numeric", "categorical"):
        served.ingested(source, time="applied_on", **{answer: ["since"]})
        assert (pd.read_parquet("data/raw.parquet")["since"] == table["since"]).all()
    # And production may have them as numbers, in every format
    days = {"since": "%Y%m%d"}
    model = served.train(source, drop=["applied_on"], time="since", dates=days, sensitive={})
    for other in ("csv", "parquet", "jsonl"):
        given, _ = model.monitor(served.write(table, Path(f"batch.{other}")))
        assert (given.frame["since"] == MONTHS).all()
    # And numbers of which one is no day, or of which there are few, are numbers
    for fine in (table["since"].where(table.index > 0, 20240230), table["since"] % 8 + 20240110):
        served.ingested(served.write(table.assign(since=fine), Path(f"table.{suffix}")),
                        time="applied_on")  # fmt: skip


def test_times_are_cut_to_the_microsecond_in_every_format() -> None:
    # Given times with nanoseconds, before 1970, too, as Parquet and as text
    texts = ["1969-12-31 23:59:59.123456789", "2024-01-01 00:00:00.999999999"] * 200
    table = served.loans().drop(columns="applied_on")
    exact = table.assign(applied_on=pd.to_datetime(texts).astype("datetime64[ns]"))
    written = table.assign(applied_on=texts)
    kept = [one[:-3] for one in texts]
    sources = {"ns.parquet": exact, "text.parquet": written, "text.csv": written}
    for name, frame in sources.items():
        # When they are ingested, then no digit is rounded
        served.ingested(served.write(frame, Path(name)), time="applied_on")
        found = pd.read_parquet("data/raw.parquet")["applied_on"]
        assert found.dt.strftime("%Y-%m-%d %H:%M:%S.%f").tolist() == kept, name
    # And what production has of them is read in the same way
    model = served.train(served.write(written, Path("train.csv")), time="applied_on")
    given, _ = model.monitor(served.write(exact, Path("batch.parquet")))
    assert given.frame["applied_on"].dt.strftime("%H:%M:%S.%f").iloc[0] == "23:59:59.123456"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_years_of_two_digits_that_would_lie_in_the_future_are_asked_about(suffix: str) -> None:
    # Given days of birth, of which some are of 1968 and some of 1971
    table = served.loans().assign(born=["17.03.68", "18.03.71"] * 200)
    source = served.write(table, Path(f"table.{suffix}"))
    # When they are ingested, then it is asked, and the rule is said
    with pytest.raises(
        Problem, match=r"'born' has years .* 200 rows .*'17\.03\.68' .*1969 to 1999"
    ):
        served.ingested(source, time="applied_on")
    # And the answer is heeded
    served.ingested(source, time="applied_on", dates={"born": "%d.%m.%y"})
    assert pd.read_parquet("data/raw.parquet")["born"].dt.year.tolist() == [2068, 1971] * 200
    # And where none lies in the future, nothing is asked
    fine = table.assign(born=["17.03.99", "18.03.01"] * 200)
    served.ingested(served.write(fine, Path(f"table.{suffix}")), time="applied_on")
