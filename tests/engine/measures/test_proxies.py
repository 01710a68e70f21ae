"""Features that stand in for a sensitive attribute, alone or together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from governed_ml.measures import proxies


@pytest.mark.slow
def test_planted_noisy_copies_are_found_and_independent_columns_are_not() -> None:
    rng = np.random.default_rng(8)
    rows = 10_000
    sex = rng.choice(["f", "m"], rows)
    sensitive = pd.DataFrame({"sex": sex, "region": rng.choice(list("nsew"), rows)})
    features = pd.DataFrame(
        {
            "height": np.where(sex == "f", 0.0, 1.5) + rng.normal(size=rows),
            "title": np.where(rng.random(rows) < 0.8, sex, rng.choice(["f", "m"], rows)),
            "income": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
            "colour": rng.choice(["red", "blue", None], rows),
        }
    )
    metrics, found, findings = proxies.measure(features, sensitive)
    assert metrics["sex.proxy_auc"].value > 0.9
    assert "height" in metrics["sex.proxy_auc"].note
    assert "title" in metrics["sex.proxy_auc"].note
    assert "income" not in metrics["sex.proxy_auc"].note
    assert metrics["region.proxy_auc"].value == pytest.approx(0.5, abs=0.03)
    assert "no single feature" in metrics["region.proxy_auc"].note
    assert list(found[0].carriers)[:2] == ["title", "height"]
    assert any("title" in finding.where for finding in findings)
    assert metrics == proxies.measure(features, sensitive)[0]


def test_features_that_only_together_are_a_proxy_are_named() -> None:
    rng = np.random.default_rng(9)
    rows = 8_000
    sex, coin, amount = rng.integers(0, 2, rows), rng.integers(0, 2, rows), rng.random(rows)
    sensitive = pd.DataFrame({"sex": np.where(sex == 1, "f", "m")})
    noise = {f"noise_{number}": rng.normal(size=rows) for number in range(3)}
    codes = {"p": coin.astype(str), "q": (coin ^ sex).astype(str)}
    near = {"gross": amount, "net": amount - 0.1 * sex + rng.normal(0, 0.01, rows)}
    for pair in (codes, near):
        metrics, _, _ = proxies.measure(pd.DataFrame(noise | pair), sensitive)
        assert metrics["sex.proxy_auc"].value > 0.95
        words = metrics["sex.proxy_auc"].note.partition("together with others: ")[2]
        assert all(f"{name} (" in words for name in pair)
        assert "noise" not in words


def test_all_rows_of_a_person_are_in_the_same_part_of_the_sample() -> None:
    # Given 100 recordings of each of 60 persons, whose voice says who they are and not their sex
    rng = np.random.default_rng(10)
    person = np.repeat(np.arange(60), 100)
    sex, voice = rng.permutation(np.repeat(["f", "m"], 30)), rng.normal(size=60)
    features = pd.DataFrame({"voice": voice[person] + rng.normal(0, 0.001, len(person))})
    sensitive = pd.DataFrame({"sex": sex[person]})
    mixed = rng.permutation(len(person))
    flattered = proxies.measure(features.iloc[mixed], sensitive.iloc[mixed])[0]
    honest = proxies.measure(features, sensitive, person)[0]
    assert flattered["sex.proxy_auc"].value > 0.95
    assert honest["sex.proxy_auc"].value < 0.8
    # Then the border is where a person's rows end, and one person alone cannot be judged
    assert proxies.boundary(10, np.array([1, 1, 1, 1, 2, 2, 2, 2, 2, 3])) == 4
    alone = proxies.measure(features, sensitive, np.zeros(len(person)))[0]
    assert alone["sex.proxy_auc"].value is None


@pytest.mark.slow
def test_the_proxy_metric_is_that_of_the_best_predicted_group() -> None:
    # Given twelve groups, of which only the smallest (100 rows) is given away, by one feature
    rng = np.random.default_rng(12)
    rows = 2_300
    region = np.array([f"r{number:02}" for number in np.arange(rows) % 11], dtype=object)
    region[:100] = "small"
    order = rng.permutation(rows)
    features = pd.DataFrame(
        {"calm": rng.normal(size=rows), "telling": rng.normal(size=rows) + 5 * (region == "small")}
    )
    sensitive = pd.DataFrame({"region": region})
    # When proxies are looked for
    metrics, found, _ = proxies.measure(features.iloc[order], sensitive.iloc[order])
    # Then its number counts, not the mean over groups (0.54), and it is named
    proxy = metrics["region.proxy_auc"]
    assert proxy.value > 0.95
    assert proxy.note.startswith("small against all others: carried by telling (")
    assert "calm" not in proxy.note
    assert found[0].carriers["telling"] > 0.95


def test_a_proxy_needs_two_groups_that_are_large_enough() -> None:
    features = pd.DataFrame({"x": np.arange(200.0)})
    sensitive = pd.DataFrame({"sex": ["f"] * 190 + ["m"] * 10, "race": ["one"] * 200})
    metrics, _, _ = proxies.measure(features, sensitive)
    assert [metric.value for metric in metrics.values()] == [None, None]
    assert "m (0)" in metrics["sex.proxy_auc"].note
