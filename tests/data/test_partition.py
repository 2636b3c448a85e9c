"""Partitions: every example dealt once, by the law asked for, the same in every process and for every engine."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import beta

from tests.data.celeba_folder import many_people
from tiprdc_fl import seeding, simulate
from tiprdc_fl.config.keys import Config
from tiprdc_fl.data.examples import MappedImages, pick
from tiprdc_fl.data.partition.partitioners import (
    PARTITIONERS,
    Classes,
    Settings,
    apportion,
    combined,
    deal,
    dirichlet,
)
from tiprdc_fl.data.partition.table import deal_table, dealt, read_deal
from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.data.split import split_people
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.collection import features_path
from tiprdc_fl.report.figures.partition import describe, histogram
from tiprdc_fl.report.read import read_report
from tiprdc_fl.report.sentences import partition_lines
from tiprdc_fl.stages import partition as dealing
from tiprdc_fl.store.feature_store import open_store, stored_contributors
from tiprdc_fl.store.withdrawal import withdraw

DEALT = [name for name, partition in PARTITIONERS.items() if partition.deal is not None]
SOURCE = DataSource("faces", None, (32, 32), 0, most=4)
TINY = (
    "clients=12",
    "data.collector_people=12",
    "data.holdout_people=8",
    "data.max_examples_per_person=4",
    "model.width=2",
    "training.epochs=0",
    "training.pretrain_epochs=0",
    "evaluation.steps=4",
    "evaluation.controls=[]",
    "evaluation.attacks=[linear]",
    "evaluation.adversaries=[insider]",
    "federation.engine=inline",
    "devices.name=null",
    "open_report=false",
)


def rng(*path: str | int) -> np.random.Generator:
    return seeding.generator(0, "test", *path)


def classes(examples: int, shares: tuple[float, ...]) -> Classes:
    of = rng("classes").choice(len(shares), examples, p=shares)
    return Classes(of, tuple(f"Kind={i}" for i in range(len(shares))))


def sizes(owner: np.ndarray, contributors: int) -> np.ndarray:
    return np.bincount(owner, minlength=contributors)


def distances(owner: np.ndarray, labels: np.ndarray, contributors: int) -> np.ndarray:
    """Of each contributor with an example, by the definition."""
    whole = np.bincount(labels) / len(labels)
    mine = [labels[owner == one] for one in range(contributors)]
    return np.array(
        [
            np.abs(np.bincount(own, minlength=len(whole)) / len(own) - whole).sum() / 2
            for own in mine
            if len(own)
        ]
    )


# --- dealing ---


@pytest.mark.parametrize("name", DEALT)
@pytest.mark.parametrize(("examples", "contributors"), [(4000, 37), (300, 12), (500, 1)])
def test_every_example_is_dealt_once_and_a_seed_decides_to_whom(name, examples, contributors):
    kinds = classes(examples, (0.6, 0.3, 0.1))
    settings = Settings(num_classes_per_partition=3 if contributors == 1 else 1)
    owner, topped_up = deal(name, kinds, contributors, settings, rng(1))
    assert owner.shape == (examples,)
    assert 0 <= owner.min() <= owner.max() < contributors
    assert sizes(owner, contributors).min() >= 1
    assert topped_up <= contributors
    assert np.array_equal(deal(name, kinds, contributors, settings, rng(1))[0], owner)
    if contributors > 1:
        assert not np.array_equal(deal(name, kinds, contributors, settings, rng(2))[0], owner)


@pytest.mark.parametrize("name", DEALT)
def test_two_hundred_thousand_examples_for_ten_thousand(name):
    kinds = classes(200_000, (0.5, 0.4, 0.06, 0.04))
    owner, _ = deal(name, kinds, 10_000, Settings(), rng())
    assert sizes(owner, 10_000).sum() == 200_000
    assert sizes(owner, 10_000).min() >= 1


def test_iid_deals_evenly_and_mixes_neighbours():
    kinds = classes(1000, (1.0,))
    owner, _ = deal("iid", kinds, 30, Settings(), rng())
    assert set(sizes(owner, 30)) == {33, 34}
    assert np.mean(owner[1:] == owner[:-1]) < 0.1


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0, 5.0, 50.0])
def test_dirichlet_skew_is_that_of_its_alpha(alpha):
    """Two classes of one size: a contributor's share of one is Beta(alpha, alpha), 1/2 away is the distance."""
    kinds = Classes(np.arange(400_000) % 2, ("A", "B"))
    owner, _ = deal(
        "dirichlet", kinds, 1000, Settings(alpha=alpha, min_partition_size=0), rng(int(10 * alpha))
    )
    expected = beta(alpha, alpha).expect(lambda share: abs(share - 0.5))
    found = distances(owner, kinds.of, 1000).mean()
    assert found == pytest.approx(expected, rel=0.06)
    assert sizes(owner, 1000).std() == pytest.approx(400 / np.sqrt(2 * alpha), rel=0.15)


def test_dirichlet_tops_up_those_who_have_too_few_from_those_who_have_more():
    kinds = classes(2000, (0.9, 0.1))
    bare, none = deal("dirichlet", kinds, 100, Settings(alpha=0.1, min_partition_size=0), rng())
    owner, topped_up = deal("dirichlet", kinds, 100, Settings(alpha=0.1, min_partition_size=8), rng())
    before, after = sizes(bare, 100), sizes(owner, 100)
    assert none == 0
    assert topped_up == (before < 8).sum() > 30
    assert after.min() == 8
    assert (after[before < 8] == 8).all()
    assert (after[before >= 8] <= before[before >= 8]).all()
    kept = np.flatnonzero(owner == bare)
    assert len(kept) == 2000 - (8 - before[before < 8]).sum(), "no more is moved than must be"


def test_dirichlet_draws_again_where_a_draw_may_leave_nobody_short():
    """Each of five contributors gets a share of 200 examples; fewer than 10 happens, to somebody, now and then."""
    kinds = classes(200, (0.5, 0.5))
    found = [
        deal("dirichlet", kinds, 5, Settings(alpha=2.0, min_partition_size=10), rng(i)) for i in range(40)
    ]
    first = [dirichlet(kinds, 5, Settings(alpha=2.0), rng(i)) for i in range(40)]
    assert any(sizes(owner, 5).min() < 10 for owner in first)
    assert all(sizes(owner, 5).min() >= 10 for owner, _ in found)
    assert {topped_up for _, topped_up in found} == {0}


@pytest.mark.parametrize(
    ("count", "mode"), [(1, "random"), (2, "random"), (3, "deterministic"), (4, "random")]
)
def test_pathological_gives_everybody_exactly_so_many_classes(count, mode):
    kinds = classes(6000, (0.55, 0.35, 0.06, 0.04))
    settings = Settings(num_classes_per_partition=count, class_assignment_mode=mode)
    owner, _ = deal("pathological", kinds, 50, settings, rng(count))
    table = np.zeros((50, 4), int)
    np.add.at(table, (owner, kinds.of), 1)
    assert ((table > 0).sum(axis=1) == count).all()
    for column in table.T:
        assert np.ptp(column[column > 0]) <= 1, "those who have a class share it evenly"
    if mode == "deterministic":
        wanted = (np.arange(50)[:, None] + np.arange(count)) % 4
        assert all(set(np.flatnonzero(row)) == set(some) for row, some in zip(table, wanted, strict=True))


def test_quantity_follows_its_power_law():
    settings = Settings(exponent=2.5, min_partition_size=0)
    found = np.sort(sizes(deal("quantity", classes(2_000_000, (1.0,)), 2000, settings, rng())[0], 2000))[::-1]
    ranks = np.arange(1, 2001) - 0.5
    slope = np.polyfit(np.log(ranks[:500]), np.log(found[:500]), 1)[0]
    assert slope == pytest.approx(-1 / 1.5, abs=0.01)
    assert found[0] / found.sum() == pytest.approx(
        (0.5 ** (-1 / 1.5)) / (ranks ** (-1 / 1.5)).sum(), rel=0.001
    )


def test_quantity_follows_its_log_normal_law():
    settings = Settings(distribution="log_normal", sigma=0.8, min_partition_size=0)
    found = sizes(deal("quantity", classes(1_000_000, (1.0,)), 1000, settings, rng())[0], 1000)
    assert np.log(found).std() == pytest.approx(0.8, rel=0.01)
    assert np.exp(0.8**2 / 2) == pytest.approx(found.mean() / np.median(found), rel=0.02)


def test_quantity_gives_everybody_the_minimum_and_seeds_differ_in_who_has_much():
    kinds = classes(3000, (1.0,))
    settings = Settings(exponent=1.5, min_partition_size=7)
    found = [sizes(deal("quantity", kinds, 200, settings, rng(i))[0], 200) for i in (0, 1)]
    assert found[0].min() == found[1].min() == 7
    assert np.array_equal(np.sort(found[0]), np.sort(found[1]))
    assert found[0].argmax() != found[1].argmax()
    assert sizes(deal("quantity", classes(200, (1.0,)), 200, Settings(), rng())[0], 200).tolist() == [1] * 200


@pytest.mark.parametrize("exponent", [1.001, 1.5, 1e6])
def test_any_exponent_shares_out_everything(exponent):
    owner, _ = deal("quantity", classes(5000, (1.0,)), 100, Settings(exponent=exponent), rng())
    found = np.sort(sizes(owner, 100))
    assert found.sum() == 5000
    assert (found[-1] == 50) == (exponent == 1e6)
    assert (found[-1] == 4901) == (exponent == 1.001)


def test_largest_remainders_by_hand():
    assert apportion(10, np.log([1.0, 2.0, 4.0])).tolist() == [1, 3, 6]  # 1.43, 2.86, 5.71
    assert apportion(0, np.log([1.0, 2.0])).tolist() == [0, 0]


def test_classes_are_combinations_of_labels_that_occur():
    columns = {"Smiling": np.array([1, 0, 1, 1], np.int8), "Male": np.array([7, 7, 3, 7], np.int8)}
    found = combined(columns, 4)
    assert found.names == ("Smiling=0, Male=7", "Smiling=1, Male=3", "Smiling=1, Male=7")
    assert found.of.tolist() == [2, 0, 1, 2]
    assert combined({}, 3).names == ("",)
    assert combined({}, 3).of.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "contributors", "settings", "message"),
    [
        (
            "dirichlet",
            11,
            Settings(min_partition_size=10),
            "partition.name=dirichlet deals out 100 examples, too few for clients=11 with "
            "partition.min_partition_size=10 each; lower clients to 10 or fewer, or lower",
        ),
        (
            "iid",
            101,
            Settings(),
            "too few for clients=101 with partition.min_partition_size=1 each; lower clients",
        ),
        (
            "quantity",
            2,
            Settings(min_partition_size=101),
            "=101 each; more data is needed, or lower partition.min",
        ),
        (
            "pathological",
            9,
            Settings(num_classes_per_partition=3),
            "partition.num_classes_per_partition=3: there are 2 classes (Kind=0; Kind=1); lower it or name more",
        ),
        (
            "pathological",
            1,
            Settings(),
            "clients=1, partition.num_classes_per_partition=1: of 2 classes Kind=1 is nobody's; raise one",
        ),
        (
            "pathological",
            60,
            Settings(class_assignment_mode="deterministic"),
            "60, partition.num_classes_per_partition=1: 30 contributors are to have Kind=1, of which there are 3",
        ),
    ],
)
def test_what_cannot_be_dealt_is_said_in_one_line(name, contributors, settings, message):
    kinds = Classes((np.arange(100) < 3).astype(np.int64), ("Kind=0", "Kind=1"))
    if contributors == 1:
        settings = replace(settings, class_assignment_mode="deterministic")
    with pytest.raises(InputError) as caught:
        deal(name, kinds, contributors, settings, rng())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_minimum_there_may_be_more_contributors_than_examples():
    for name in ("iid", "dirichlet", "quantity"):
        owner, _ = deal(name, classes(20, (1.0,)), 50, Settings(min_partition_size=0), rng())
        assert len(owner) == 20


# --- figures ---


def figures_of(contributors: int, owner: np.ndarray, labels: dict[str, np.ndarray], private: tuple[str, ...]):
    return describe(
        name="iid",
        label="everybody's examples",
        persons=False,
        settings={},
        contributors=contributors,
        topped_up=0,
        owner=owner,
        labels=labels,
        private=private,
        rng=rng(),
    )


def test_figures_by_hand():
    owner = np.array([4, 4, 4, 4, 9, 9])
    labels = {"Male": np.array([1, 1, 0, 0, 0, 0]), "Kind": np.array([0, 1, 2, 2, 2, 2])}
    found = figures_of(5, owner, labels, ("Male",))
    assert (found.contributors, found.examples, found.empty) == (2, 6, 3)
    assert found.examples_per_contributor.model_dump() == {
        "min": 2,
        "p10": pytest.approx(2.2),
        "p50": 3.0,
        "mean": 3.0,
        "p90": pytest.approx(3.8),
        "max": 4,
    }
    assert found.histogram.model_dump() == {"edges": (2, 3, 4, 5), "counts": (1, 0, 1)}
    assert found.label_skew["Male"].mean == pytest.approx((1 / 6 + 1 / 3) / 2)
    assert found.label_skew["Kind"].max == pytest.approx(1 / 3)
    assert found.private_share["Male"].whole == pytest.approx(1 / 3)
    assert found.private_share["Male"].values == pytest.approx(np.linspace(0, 0.5, 11))
    assert set(found.label_skew_expected) == {"Male", "Kind"}


def test_what_is_no_skew_is_expected_and_a_skew_is_above_it():
    kinds = classes(40_000, (0.7, 0.3))
    even = figures_of(1000, deal("iid", kinds, 1000, Settings(), rng())[0], {"Kind": kinds.of}, ())
    skewed = figures_of(1000, deal("dirichlet", kinds, 1000, Settings(), rng())[0], {"Kind": kinds.of}, ())
    assert even.label_skew["Kind"].mean == pytest.approx(even.label_skew_expected["Kind"], rel=0.05)
    assert even.label_skew_expected["Kind"] == pytest.approx(np.sqrt(2 * 0.21 / 40 / np.pi), rel=0.05)
    assert skewed.label_skew["Kind"].mean > 3 * skewed.label_skew_expected["Kind"]


@pytest.mark.parametrize("sizes", [[3], [1, 1, 1], [5, 400, 400], [1, 2, 2, 9999], list(range(1, 300))])
def test_the_histogram_holds_everybody(sizes):
    found = histogram(np.array(sizes))
    edges, counts = list(found.edges), list(found.counts)
    assert len(edges) == len(counts) + 1
    assert (np.diff(edges) > 0).all()
    assert (edges[0], sum(counts)) == (min(sizes), len(sizes))
    assert len(counts) <= 25
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        assert count == sum(low <= size < high for size in sizes)


# --- the file, and the dataset by it ---


CONTRIBUTORS = np.array([107, 103, 101, 110])
OTHERS = range(200, 203)


@pytest.fixture
def file(tmp_path) -> Path:
    """101 and 107 have examples of four people, 103 and 110 none."""
    pooled = open_dataset(SOURCE).labels(CONTRIBUTORS)
    path = tmp_path / "partition.parquet"
    owner = np.where(np.arange(len(pooled)) % 3 == 0, 0, 2)
    pq.write_table(deal_table(CONTRIBUTORS, owner, pooled, 5), path)
    return path


def same(one, other) -> bool:
    columns = ("people", "rows", "raw_bytes")
    return (
        all(np.array_equal(getattr(one, name), getattr(other, name)) for name in columns)
        and all(np.array_equal(one.attributes[name], other.attributes[name]) for name in other.attributes)
        and np.array_equal(one.loaded[:].numpy(), other.loaded[:].numpy())
    )


def test_contributors_have_what_the_file_says_and_others_their_own(file):
    plain = open_dataset(SOURCE)
    data, pooled = dealt(plain, file), plain.load(CONTRIBUTORS)
    examples = data.load([101, 110, 107])
    wanted = np.arange(len(pooled))
    wanted = np.concatenate([wanted[wanted % 3 != 0], wanted[wanted % 3 == 0]])
    assert examples.people.tolist() == [101] * (len(pooled) - (len(pooled) + 2) // 3) + [107] * (
        (len(pooled) + 2) // 3
    )
    assert examples.rows.dtype == np.int32
    assert examples.rows[examples.people == 107].tolist() == list(range((len(pooled) + 2) // 3))
    assert np.array_equal(examples.loaded[:].numpy(), pooled.loaded[:].numpy()[wanted])
    assert np.array_equal(examples.attributes["Male"], pooled.attributes["Male"][wanted])
    assert same(data.load(OTHERS), plain.load(OTHERS))
    assert read_deal(file).topped_up == 5


def test_labels_are_those_of_loaded_examples_for_everybody(file):
    data = dealt(open_dataset(SOURCE), file)
    for people in ([101, 110, 107], [103], [], OTHERS, [201, 101, 110, 200, 101]):
        loaded, labels = data.load(people), data.labels(people)
        assert labels.inputs is None
        assert same(replace(labels, inputs=loaded.inputs), loaded)
    assert data.load([201, 101, 200, 101]).people[[0, -1]].tolist() == [201, 101]
    assert len(data.load([103])) == len(data.labels([110, 103])) == 0


def test_rows_of_contributors_are_picked(file):
    data = dealt(open_dataset(SOURCE), file)
    people, rows = np.array([107, 201, 101]), np.array([1, 0, 2])
    found, whole = pick(data, people, rows), data.load([107, 201, 101])
    wanted = [
        np.flatnonzero((whole.people == p) & (whole.rows == r))[0] for p, r in zip(people, rows, strict=True)
    ]
    assert np.array_equal(found.loaded[:].numpy(), whole.loaded[:].numpy()[wanted])
    with pytest.raises(InputError, match="contributor 110 has no example 0"):
        pick(data, np.array([110]), np.array([0]))


def damage(path: Path, how: str) -> None:
    table = pq.read_table(path)
    if how == "missing":
        path.unlink()
    elif how == "cut short":
        path.write_bytes(path.read_bytes()[:-20])
    elif how == "no parquet":
        path.write_text("contributor,row\n")
    elif how == "without a column":
        pq.write_table(table.drop_columns(["person_row"]), path)
    elif how == "without metadata":
        pq.write_table(table.replace_schema_metadata(None), path)
    elif how == "of other types":
        pq.write_table(table.set_column(0, "contributor", pa.array([0.5] * len(table))), path)
    else:
        pq.write_table(table.take(np.arange(len(table))[::-1]), path)


@pytest.mark.parametrize(
    "how",
    [
        *("missing", "cut short", "no parquet", "without a column", "without metadata"),
        *("of other types", "out of order"),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_refused_in_one_line(file, how):
    damage(file, how)
    with pytest.raises(InputError) as caught:
        dealt(open_dataset(SOURCE), file).load([101])
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)
    assert "restore" in str(caught.value)


def test_data_that_has_changed_since_is_noticed(file):
    table = pq.read_table(file)
    rows = table.column("person_row").to_numpy() + 1
    pq.write_table(table.set_column(3, "person_row", pa.array(rows, pa.int32())), file)
    for ask in (dealt(open_dataset(SOURCE), file).load, dealt(open_dataset(SOURCE), file).labels):
        with pytest.raises(InputError, match="has no example 4: the"):
            ask([101, 107])


# --- whole runs ---


def run(folder: Path, *arguments: str) -> dict:
    assert simulate.main([*TINY, *arguments, f"run_dir={folder}"]) == 0
    return json.loads((folder / "report.json").read_text())


def digest(folder: Path) -> str:
    return open_store(features_path(folder)).digest()


SKEWED = ("partition.name=dirichlet", "partition.alpha=0.2", "partition.partition_by=[Male,Smiling]")


@pytest.mark.flower
def test_features_do_not_depend_on_engine_workers_messages_or_mode(tmp_path):
    report = run(tmp_path / "inline", *SKEWED)
    assert report["partition"]["settings"] == {
        "partition_by": ["Male", "Smiling"],
        "alpha": 0.2,
        "min_partition_size": 1,
    }
    assert report["partition"]["contributors"] == 12
    assert set(report["partition"]["label_skew"]) == {"Male", "Smiling", "Eyeglasses"}
    assert report["reidentification"] == []
    assert "Whether two contributions are one person's is not asked" in " ".join(
        partition_lines(read_report(tmp_path / "inline"))
    )
    expected = digest(tmp_path / "inline")
    others = {
        "messages": ("federation.contributors_per_message=5",),
        "latency": ("federation.mode=latency",),
        "flower": ("federation.engine=flower", "federation.workers=2"),
    }
    for name, arguments in others.items():
        assert run(tmp_path / name, *SKEWED, *arguments)["partition"] == report["partition"]
        assert digest(tmp_path / name) == expected
    kept = pq.read_table(tmp_path / "inline" / "partition.parquet")
    assert kept.equals(pq.read_table(tmp_path / "flower" / "partition.parquet"))
    assert len(kept) == report["partition"]["examples"] == report["people"]["contributors"]["examples"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("iid", ()),
        ("quantity", ("partition.distribution=log_normal",)),
        ("pathological", ("partition.partition_by=[Male]",)),
        ("feature", ()),
    ],
)
def test_each_partition_runs(tmp_path, name, arguments):
    report = run(tmp_path / "run", f"partition.name={name}", *arguments)
    assert report["partition"]["name"] == name
    assert report["federation"]["answered"] == 12
    assert (tmp_path / "run" / "partition.parquet").exists() == (name != "feature")
    assert (report["reidentification"] == []) == (name != "feature")
    if name == "pathological":
        skew, whole = (
            report["partition"]["label_skew"]["Male"],
            report["partition"]["private_share"]["Male"]["whole"],
        )
        assert skew["p10"] == pytest.approx(min(whole, 1 - whole))
        assert skew["max"] == pytest.approx(max(whole, 1 - whole))


@pytest.mark.slow
def test_who_has_no_example_is_not_asked_and_a_resumed_run_asks_nobody(tmp_path, monkeypatch):
    sparse = (
        "clients=60",
        "partition.name=dirichlet",
        "partition.alpha=0.05",
        "partition.min_partition_size=0",
    )
    folder = tmp_path / "run"
    report = run(folder, *sparse)
    empty = report["partition"]["empty"]
    assert empty > 5
    assert stored_contributors(open_store(features_path(folder))) == {
        *pq.read_table(folder / "partition.parquet").column("contributor").to_pylist()
    }
    assert report["partition"]["contributors"] == report["federation"]["answered"] == 60 - empty
    before = (folder / "partition.parquet").stat().st_mtime_ns, (folder / "results.json").stat().st_mtime_ns
    monkeypatch.setattr(dealing, "deal", pytest.fail)  # what was dealt stays dealt
    assert run(folder, *sparse)["partition"] == report["partition"]
    assert before == (
        (folder / "partition.parquet").stat().st_mtime_ns,
        (folder / "results.json").stat().st_mtime_ns,
    )


@pytest.mark.slow
def test_withdrawn_contributors_are_left_out_of_the_figures_and_never_asked_again(tmp_path):
    folder = tmp_path / "run"
    report = run(folder, *SKEWED)
    table = pq.read_table(folder / "partition.parquet")
    gone = int(table.column("contributor")[0].as_py())
    lost = table.column("contributor").to_pylist().count(gone)
    withdraw(folder, [gone])
    after = run(folder, *SKEWED)
    assert gone not in stored_contributors(open_store(features_path(folder)))
    assert pq.read_table(folder / "partition.parquet").equals(table)
    assert after["partition"]["contributors"] == report["partition"]["contributors"] - 1
    assert after["partition"]["examples"] == report["partition"]["examples"] - lost
    assert after["federation"]["withdrawn"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("partition.name=iid", "partition.min_partition_size=5"), "partition.name=iid deals out "),
        (
            ("partition.name=dirichlet", "partition.partition_by=[Nope]"),
            "data.name=faces has no attribute 'Nope'",
        ),
        (("partition.name=dirichlet", "partition.alpha=0"), "partition.alpha=0: expected a number above 0"),
        (
            ("partition.name=pathological", "partition.num_classes_per_partition=9"),
            "partition.num_classes_per_partition=9: there are ",
        ),
    ],
)
def test_a_partition_that_is_not_possible_is_one_line_and_leaves_nothing(
    tmp_path, capsys, arguments, message
):
    assert simulate.main([*TINY, *arguments, f"run_dir={tmp_path / 'run'}"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"error: {message}")
    assert not (tmp_path / "run").exists()


def test_nobody_gets_more_than_is_accepted_of_one(monkeypatch):
    monkeypatch.setattr(dealing, "MAX_EXAMPLES", 30)
    config = Config(clients=12)
    config = replace(config, partition=replace(config.partition, name="quantity", exponent=1.1))
    data, people = open_dataset(SOURCE), split_people(range(2**31), 12, 4, 4, 0)
    with pytest.raises(
        InputError, match=r"a contributor would have 3. examples, at most 30 are accepted of one"
    ):
        dealing.deal_out(config, data, people)


def test_a_damaged_or_foreign_file_ends_a_resumed_run_with_one_line(tmp_path, capsys):
    folder = tmp_path / "run"
    run(folder, *SKEWED)
    path = folder / "partition.parquet"
    whole = path.read_bytes()
    pq.write_table(pq.read_table(path).filter(pa.compute.field("contributor") > 22), path)
    for message in ("is of other contributors than this run's; delete it", "is damaged or no partition"):
        capsys.readouterr()
        assert simulate.main([*TINY, *SKEWED, f"run_dir={folder}"]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"error: {path}")
        assert message in err
        assert err.count("\n") == 1
        path.write_bytes(whole[:100])
    path.unlink()
    run(folder, *SKEWED)
    assert pq.read_table(path).equals(pq.read_table(pa.BufferReader(whole)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dirichlet", "pathological", "feature"])
def test_photographs_are_dealt_out_too(tmp_path, monkeypatch, name):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = many_people(tmp_path / "celeba", 24, 3)
    own = (
        f"data.root={root}",
        *("data.name=celeba", "clients=10", "data.collector_people=8", "data.holdout_people=6"),
        *("partition.partition_by=[Male,Smiling]", "evaluation.reconstruction=false"),
    )
    report = run(tmp_path / "run", *own, f"partition.name={name}")
    assert report["partition"]["examples"] == 30
    if name != "feature":
        source = DataSource("celeba", str(root), (32, 32), 0, most=4)
        data = dealt(open_dataset(source), tmp_path / "run" / "partition.parquet")
        ids = read_deal(tmp_path / "run" / "partition.parquet").contributors
        assert isinstance(data.load(ids).inputs, MappedImages), "photographs stay on the disk"
        assert len(data.load(ids)) == 30
