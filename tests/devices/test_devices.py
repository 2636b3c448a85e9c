"""Device classes and their sources, which class an id gets, and when its device is available."""

import dataclasses
import time

import numpy as np
import pytest
from omegaconf import OmegaConf
from scipy import stats

from tiprdc_fl.config import keys as config
from tiprdc_fl.devices import availability
from tiprdc_fl.devices.assign import assign, ranks
from tiprdc_fl.devices.availability import available, next_available, slots
from tiprdc_fl.devices.sets import FOLDER, DeviceClass, DeviceSet, describe, device_sets, load_devices
from tiprdc_fl.errors import InputError

IDS = np.arange(40_000)
SEED = 3
GOOD = """
title: Two kinds
reference: a core
sources:
  paper: {citation: "A. Author, Paper, 2020", url: "https://example.org"}
defaults:
  uplink_mbps: {value: 5, source: "measured [paper]"}
  latency_ms: {value: 20, source: "measured [paper]"}
  memory_mb: {value: 500, source: "assumption: a guess"}
  failure_rate: {value: 0.1, source: "measured [paper]"}
  availability:
    value: [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    source: "read off a figure [paper]"
classes:
  - name: slow
    title: Slow
    share: {value: 0.25, source: "counted [paper]"}
    slowdown: {value: 6, source: "6 s to 1 s [paper]"}
    downlink_mbps: {value: 10, source: "measured [paper]"}
  - name: fast
    title: Fast
    share: {value: 0.75, source: "counted [paper]"}
    slowdown: {value: 0.5, source: "0.5 s to 1 s [paper]"}
    downlink_mbps: {value: 1e2, source: "measured [paper]"}
    latency_ms: {value: 8, source: "measured [paper]"}
"""


@pytest.fixture
def two(tmp_path) -> DeviceSet:
    return load_devices(written(tmp_path, GOOD))


def written(folder, text, name="two.yaml"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def device_set(*shares, **fields) -> DeviceSet:
    """Classes with these shares, alike otherwise but for their slowdown."""
    common = {
        **dict.fromkeys(("downlink_mbps", "uplink_mbps", "latency_ms", "memory_mb"), 10.0),
        **{"failure_rate": 0.1, "availability": (0.5,) * 24, **fields},
    }
    classes = [
        DeviceClass(name=f"c{i}", title=f"C{i}", share=share, slowdown=i + 1.0, **common)
        for i, share in enumerate(shares)
    ]
    return DeviceSet("set", "Set", "a core", tuple(classes))


@pytest.mark.parametrize("name", ["phones", "cameras", "laptops", "mixed"])
def test_every_number_of_every_set_has_a_source(name):
    found = load_devices(name)
    numbers = {f.name for f in dataclasses.fields(DeviceClass)} - {"name", "title", "sources"}
    for kind in found.classes:
        for number in numbers:
            told = kind.sources.get(number, "")
            assert told or getattr(kind, number) == 0, f"{kind.name}.{number}"
            assert not told or "http" in told or "assumption" in told or "This project" in told
    assert found.reference
    assert sum(kind.share for kind in found.classes) == pytest.approx(1)
    slowdowns = [kind.slowdown for kind in found.classes]
    assert slowdowns == sorted(slowdowns)


def test_the_sets_are_those_that_the_configuration_names():
    assert device_sets() == ["cameras", "laptops", "mixed", "phones"]
    assert config.Devices().name in device_sets()
    assert {path.stem for path in FOLDER.iterdir()} == set(device_sets())


def test_a_mix_has_the_classes_of_its_sets_by_its_shares():
    mixed = {kind.name: kind.share for kind in load_devices("mixed").classes}
    given = OmegaConf.load(FOLDER / "mixed.yaml").sets
    for name, entry in given.items():
        for kind in load_devices(str(name)).classes:
            assert mixed[kind.name] == pytest.approx(kind.share * entry.share.value)
    assert given.phones.share.value / given.laptops.share.value == pytest.approx(85 / 15, rel=0.05)


def test_a_file_of_ones_own_is_read_with_defaults_and_sorted(two):
    fast, slow = two.classes
    assert (fast.name, fast.slowdown, fast.downlink_mbps, fast.latency_ms) == ("fast", 0.5, 100, 8)
    assert (slow.name, slow.latency_ms, slow.slowdown_sigma) == ("slow", 20, 0)
    assert (two.name, two.title, two.reference) == ("two", "Two kinds", "a core")
    assert slow.sources["slowdown"] == "6 s to 1 s [A. Author, Paper, 2020, https://example.org]"
    assert slow.sources["memory_mb"] == "assumption: a guess"


def test_a_mix_finds_the_files_beside_it(tmp_path):
    written(tmp_path, GOOD)
    share = '{share: {value: 1, source: "assumption: all"}}'
    mix = written(tmp_path, f"title: Mix\nsets:\n  two.yaml: {share}\n", "mix.yaml")
    assert [kind.share for kind in load_devices(mix).classes] == [0.75, 0.25]


def test_described_classes_are_plain_values(two):
    fast = describe(two)[0]
    assert fast["name"] == "fast"
    assert fast["availability"] == [0.5] * 12 + [0.0] * 6 + [1.0] * 6
    assert fast["sources"]["share"].startswith("counted [A. Author")
    assert not any(isinstance(value, np.generic | tuple) for value in fast.values())


@pytest.mark.parametrize("name", ["phnes", "no/such/file.yaml"])
def test_a_set_that_does_not_exist_is_named_with_those_that_do(name):
    with pytest.raises(
        InputError, match=r"no such set or file; sets: cameras, laptops, mixed, phones"
    ) as error:
        load_devices(name)
    assert ("did you mean phones?" in str(error.value)) == (name == "phnes")


def test_everything_that_is_wrong_with_a_file_is_said_at_once(tmp_path):
    text = (
        GOOD.replace("value: 0.25", "value: 0.5")
        .replace("value: 6,", "value: -6,")
        .replace("latency_ms: {value: 8, ", "latancy_ms: {value: 8, ")
        .replace('{value: 5, source: "measured [paper]"}', '{value: 5, source: "measured [papper]"}')
        .replace('{value: 500, source: "assumption: a guess"}', "{value: 500}")
        .replace("[0.5, 0.5, 0.5,", "[0.5, 0.5,")
        .replace("value: 1e2", "value: true")
        .replace('source: "0.5 s to 1 s [paper]"', 'source: "0.5 s to 1 s"')
        .replace("reference: a core\n", "")
    )
    with pytest.raises(InputError) as error:
        load_devices(written(tmp_path, text))
    lines = str(error.value).splitlines()
    for expected in [
        "reference: is missing",
        "classes[0] slow.slowdown: expected a number above 0; got -6",
        "classes[1] fast.latancy_ms: unknown key; did you mean latency_ms?",
        "classes[0] slow.uplink_mbps.source: [papper] is none of the file's sources; did you mean paper?",
        "classes[0] slow.memory_mb.source: is missing",
        "classes[0] slow.availability: expected a list of 24 numbers from 0 to 1; got [0.5,",
        "classes[1] fast.downlink_mbps: expected a number above 0; got True",
        'classes[1] fast.slowdown.source: names no [key] of the file\'s sources, nor starts with "assumption:"',
    ]:
        assert any(expected in line for line in lines), (expected, lines)
    assert all("two.yaml: " in line for line in lines)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("value: 0.25", "value: 0.5", "classes: their shares sum to 1.25; they must sum to 1"),
        ("name: slow", "name: fast", "classes: the name fast is there twice"),
        ("title: Two kinds", "title: ''", "title: expected text on one line; got "),
        ("  paper:", "  more: {citation: More}\n  paper:", "sources.more: no number names it; leave it out"),
        ("value: 0.1,", "value: 1.0,", "failure_rate: expected a number from 0 and below 1; got 1.0"),
        ("value: 20,", "value: .nan,", "latency_ms: expected a number from 0; got nan"),
        ("value: 20,", "value: '${x}',", "latency_ms: expected a number from 0; got ${x}"),
        ("defaults:", "defaults:\n  share: {value: 1, source: 'x [paper]'}", "defaults.share: unknown key"),
        ("classes:", "classes: []\nrest:", "classes: expected a list of classes; got []"),
        ("classes:", "classes: [3]\nrest:", "classes[0]: expected a mapping with name, title, "),
        ("sources:", "sources: [1]\nrest:", "sources: expected a mapping of keys to citations; got [1]"),
        ("title: Two", "title: [Two", "line "),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path, old, new, said):
    with pytest.raises(InputError) as error:
        load_devices(written(tmp_path, GOOD.replace(old, new, 1)))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1", "its top is no mapping of keys"),
        ("", "its top is no mapping of keys"),
        ("title: Mix\nsets: {mixed: 1}", "sets.mixed: expected a mapping with share; got 1"),
        ("title: Mix\nsets: {nothing: {share: 1}}", "no such set or file"),
        ("title: Mix\nsets: {}", "sets: expected a mapping of sets to shares; got {}"),
        ("a: " + "[" * 200_000, "nested deeper"),
        ("- " * 10_000, "nested deeper"),
        ("a: b\na: c", "a"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path, text, said):
    with pytest.raises(InputError) as error:
        load_devices(written(tmp_path, text))
    assert said in str(error.value)


def test_a_mix_of_mixes_is_refused(tmp_path):
    text = 'title: Mix\nsets: {mixed: {share: {value: 1, source: "assumption: x"}}}'
    with pytest.raises(InputError, match="sets: it is a mix itself; name the sets that it mixes"):
        load_devices(written(tmp_path, text))


def test_folders_and_bytes_are_no_files_of_devices(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="is a folder"):
        load_devices(tmp_path)
    with pytest.raises(InputError, match="not a text file in UTF-8"):
        load_devices(tmp_path / "bytes.yaml")


def test_classes_are_assigned_by_their_shares():
    kinds = assign(device_set(0.5, 0.3, 0.15, 0.05), IDS, SEED).kind
    expected = np.array([0.5, 0.3, 0.15, 0.05]) * len(IDS)
    assert stats.chisquare(np.bincount(kinds), expected).pvalue > 1e-3


def test_columns_are_the_classes_values_times_their_spread():
    found = assign(device_set(0.5, 0.5, slowdown_sigma=0.3, network_sigma=0.8, latency_sigma=0.1), IDS, SEED)
    logs = np.log(found.slowdown / (found.kind + 1))
    assert stats.kstest(logs / 0.3, "norm").pvalue > 1e-3
    assert np.std(np.log(found.downlink_mbps)) == pytest.approx(0.8, rel=0.03)
    assert np.array_equal(found.uplink_mbps, found.downlink_mbps)  # both have 10 as their median here
    assert np.std(np.log(found.latency_ms)) == pytest.approx(0.1, rel=0.03)
    assert abs(np.corrcoef(logs, np.log(found.downlink_mbps))[0, 1]) < 0.03
    assert set(found.memory_mb) == {10.0}
    assert set(found.failure_rate) == {0.1}


def test_an_ids_device_depends_on_no_other_id():
    phones = load_devices("phones")
    whole, some = assign(phones, IDS, SEED), np.array([9_000, 3, 39_999])
    part = assign(phones, some, SEED)
    for column in dataclasses.fields(part):
        if column.name != "set":
            assert np.array_equal(getattr(part, column.name), getattr(whole.take(some), column.name))
    assert not np.array_equal(assign(phones, IDS, SEED + 1).kind, whole.kind)
    start = np.array([50_000.0, 20.0, 90_000.0])
    after = next_available(whole, IDS, np.full(len(IDS), 50_000.0), SEED)
    assert next_available(part, some, start, SEED)[0] == after[9_000]


def test_ranks_are_even_and_ties_are_broken_by_id():
    shares = np.array([0.2, 0.9, np.nan, 0.2, 0.5, 0.2])
    found = ranks(shares, np.arange(6), SEED)
    known = found[~np.isnan(shares)]
    assert sorted(known) == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert found[1] == pytest.approx(0.9)
    assert found[4] == pytest.approx(0.7)
    assert 0 < found[2] < 1
    order = np.array([3, 1, 5, 0, 2, 4])
    assert np.array_equal(ranks(shares[order], order, SEED), found[order])
    firsts = {ranks(shares, np.arange(6), seed)[[0, 3, 5]].argmin() for seed in range(20)}
    assert firsts == {0, 1, 2}
    assert ranks(np.array([]), np.array([], int), SEED).shape == (0,)


@pytest.mark.parametrize(("correlation", "sign"), [(0.7, -1), (-0.7, 1), (1.0, -1)])
def test_a_higher_rank_goes_with_a_faster_device(correlation, sign):
    classes = device_set(0.25, 0.25, 0.25, 0.25)
    rank = ranks(np.random.default_rng(0).random(len(IDS)), IDS, SEED)
    kinds = assign(classes, IDS, SEED, rank, correlation).kind
    found = stats.spearmanr(rank, kinds).statistic
    assert found * sign > 0.6 * abs(correlation)
    assert stats.chisquare(np.bincount(kinds)).pvalue > 1e-3  # the shares stay
    if correlation == 1:
        assert np.array_equal(kinds, np.floor((1 - rank) * 4))


def test_without_correlation_ranks_change_nothing():
    phones = load_devices("phones")
    rank = ranks(np.random.default_rng(0).random(len(IDS)), IDS, SEED)
    found = assign(phones, IDS, SEED, rank, 0.0)
    assert np.array_equal(found.kind, assign(phones, IDS, SEED).kind)
    assert abs(stats.spearmanr(rank, found.kind).statistic) < 0.02


@pytest.mark.parametrize("between", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("slot", [0, 26, 24 * 400 + 13])
def test_as_many_are_available_as_the_class_says(between, slot):
    hours = tuple(np.linspace(0, 1, 24))
    found = assign(device_set(0.5, 0.5, availability=hours, availability_between=between), IDS, SEED)
    share = available(found, IDS, slot, SEED).mean()
    assert share == pytest.approx(hours[slot % 24], abs=4 * 0.5 / np.sqrt(len(IDS)))


def test_devices_differ_by_the_share_of_variance_that_lies_between_them():
    shares = []
    for between in (0.0, 0.5, 0.9):
        found = assign(device_set(1.0, availability_between=between), IDS[:2000], SEED)
        open_hours = np.mean([available(found, IDS[:2000], hour, SEED) for hour in range(200)], axis=0)
        shares.append(open_hours.std())
    assert shares[0] == pytest.approx(np.sqrt(0.25 / 200), rel=0.1)  # hours alone
    assert shares[0] < 0.2 < shares[1] < 0.35 < shares[2]


def brute_force(found, ids, start, seed) -> list[float]:
    """The first available moment, asked minute by minute."""
    result = []
    for row, one in enumerate(ids):
        device, moment = found.take(np.array([row])), np.array([one])
        times = start[row] + 60.0 * np.arange(60 * 24 * 3)
        hours = slots(np.full(len(times), one), times, seed)
        open_hours = {hour: available(device, moment, int(hour), seed)[0] for hour in np.unique(hours)}
        result.append(next((t for t, hour in zip(times, hours, strict=True) if open_hours[hour]), np.inf))
    return result


def test_the_next_moment_is_that_of_asking_minute_by_minute(two):
    ids = np.arange(60)
    start = np.random.default_rng(1).uniform(0, 3 * 86_400, 60)
    found = assign(two, ids, SEED)
    moments = next_available(found, ids, start, SEED)
    slow = np.array(brute_force(found, ids, start, SEED))
    at_once = moments == start
    assert 0.2 < at_once.mean() < 0.8
    assert np.array_equal(at_once, slow == start)
    assert ((moments >= start) & (moments <= slow) & (slow - moments < 60)).all()


def test_a_moment_found_is_one_at_which_the_device_is_available(two):
    found = assign(two, IDS, SEED)
    start = 13.5 * 3600.0  # no device is available in the slots 12 to 17
    moments = next_available(found, IDS, start, SEED)
    assert (next_available(found, IDS, moments, SEED) == moments).all()
    assert moments.min() >= 17.5 * 3600
    assert stats.kstest(moments % 3600, "uniform", args=(0, 3600)).pvalue > 1e-3  # not everybody on the hour
    assert (next_available(found, IDS, start - 600, SEED) <= moments).all()


def test_who_never_is_available_is_awaited_for_two_weeks():
    found = assign(device_set(1.0, availability=(0.0,) * 24), IDS[:10], SEED)
    assert np.isinf(next_available(found, IDS[:10], 5.0, SEED)).all()
    found = assign(device_set(1.0, availability=(1.0,) * 24, availability_between=0.9), IDS[:10], SEED)
    assert (next_available(found, IDS[:10], 5.0, SEED) == 5.0).all()
    assert next_available(found.take(np.array([], int)), np.array([], int), 5.0, SEED).shape == (0,)


def test_the_search_is_bounded_by_days(monkeypatch):
    rare = device_set(1.0, availability=(0.01,) * 24)
    found = assign(rare, IDS, SEED)
    monkeypatch.setattr(availability, "SEARCHED_DAYS", 1)
    one_day = next_available(found, IDS, 0.0, SEED)
    assert np.isinf(one_day).mean() == pytest.approx(0.99**25, abs=0.01)
    assert one_day[np.isfinite(one_day)].max() < 25.5 * 3600


def test_a_million_devices_are_assigned_in_seconds():
    ids = np.arange(1_000_000)
    begun = time.process_time()
    assign(load_devices("phones"), ids, SEED, ranks(ids % 97 / 97, ids, SEED), 0.5)
    assert time.process_time() - begun < 5  # 0.4 measured; room for a slow machine
