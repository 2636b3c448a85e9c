"""Every attack: what it takes, what it finds, and what the classical ones learn from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from tiprdc_fl import seeding
from tiprdc_fl.attacks.classical import (
    WORDS,
    Classical,
    TrainingSet,
    bag_of_words,
    learn_neighbours,
    learn_trees,
)
from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.probe import Candidate, Rows, probe
from tiprdc_fl.attacks.reduction import MAX_VALUES, cells, mean_and_max
from tiprdc_fl.attacks.suite import ATTACKS, attacks_for, check_attacks
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture, build_extractor
from tiprdc_fl.models.text import PAD, tokenise

FIT = Fit(steps=90, batch_size=64, learning_rate=0.004, seed=0, device="cpu", precision="float32")
IMAGES = Architecture("image", 4, image_size=(32, 32))
TEXTS = Architecture("text", 16, vocabulary=("<pad>", "<unknown>", *"abcdefgh"), max_tokens=6)
ARCHITECTURES = {
    "features": IMAGES,
    "images": replace(IMAGES, transform="pass"),
    "states": TEXTS,
    "tokens": replace(TEXTS, transform="pass"),
}
EVERY = [
    (kind, name)
    for kind, architecture in ARCHITECTURES.items()
    for name in attacks_for(architecture.modality)
    if name != "vcl16"  # the same network as table1
]
NETWORKS = [(kind, name) for kind, name in EVERY if name not in ("knn", "trees")]
CLASSICAL = {"knn": learn_neighbours, "trees": learn_trees}


def inputs(kind: str, labels: np.ndarray, seed: int) -> Tensor:
    """What probes see of examples of these classes; a negative label stands for nothing of it being seen."""
    generator = seeding.torch_generator(seed, "test", kind)
    count, hint = len(labels), torch.from_numpy(labels)
    if kind in ("features", "images"):
        channels, side = (8, 8) if kind == "features" else (3, 32)
        x = torch.rand(count, channels, side, side, generator=generator)
        x[:, 0, : side // 2] += 0.6 * hint.clamp(min=0)[:, None, None]
        return x
    length = torch.randint(1, 7, (count, 1), generator=generator)
    valid = torch.arange(6) < length
    if kind == "states":
        x = torch.randn(count, 6, 75, generator=generator) / 2
        x[:, :, 0] += 1.5 * hint.clamp(min=0)[:, None]
        return x * valid[:, :, None]
    words = torch.randint(5, 10, (count, 6), generator=generator)
    words[:, 0] = torch.where(hint < 0, words[:, 0], 2 + hint)
    return torch.where(valid, words, PAD)


def rows_of(kind: str, labels: np.ndarray, seed: int, seen: bool = True) -> Rows:
    x = inputs(kind, labels if seen else np.full_like(labels, -1), seed)
    return Rows(lambda chosen: x[chosen], 1000 * seed + np.arange(len(labels)) // 4, {"A": labels})


def candidate(kind: str, name: str, classes: int = 2) -> Candidate:
    architecture, attack = ARCHITECTURES[kind], ATTACKS[name]
    seeding.seed_torch(0, "test", kind, name)
    return Candidate(attack.build(architecture, classes), "A", classes, attack.rate)


def recalls(logits: np.ndarray, labels: np.ndarray) -> list[float]:
    return [float((logits[labels == value].argmax(axis=1) == value).mean()) for value in np.unique(labels)]


def attacked(kind: str, name: str, classes: int, seen: bool = True, rows: int = 600) -> list[float]:
    """Recall of each class by an attack."""
    generator = seeding.generator(1, "test", kind)
    learned, asked = generator.integers(0, classes, rows), generator.integers(0, classes, 400)
    train, measured = rows_of(kind, learned, 1, seen), rows_of(kind, asked, 2, seen)
    found = probe({"one": candidate(kind, name, classes)}, train, measured, FIT)["one"]
    assert found.balanced.dtype == found.natural.dtype == np.float32
    assert np.allclose(np.exp(found.natural).sum(axis=1), 1, atol=1e-5)
    return recalls(found.balanced, asked)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [pair for pair in EVERY if pair != ("images", "vcl19")])  # slow
def test_an_attack_finds_what_is_easy(kind, name):
    assert np.mean(attacked(kind, name, 2)) > 0.85


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [pair for pair in EVERY if pair[0] in ("features", "states")])
def test_an_attack_stays_at_chance_on_independent_labels(kind, name):
    # 400 rows: the standard error is 0.025.
    assert abs(np.mean(attacked(kind, name, 2, seen=False)) - 0.5) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name"), [("features", "rescl"), ("features", "mlp"), ("features", "knn"), ("tokens", "trees")]
)
def test_three_classes(kind, name):
    found = attacked(kind, name, 3)
    assert len(found) == 3 and min(found) > 0.6


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize(("kind", "name"), NETWORKS)
def test_networks_start_with_equal_logits_and_learn(kind, name, classes):
    network = candidate(kind, name, classes).model
    assert isinstance(network, nn.Module)
    x = inputs(kind, np.arange(6) % 2, 0)
    logits = network(x)
    assert torch.equal(logits, torch.zeros(6, classes))
    F.cross_entropy(logits, torch.zeros(6, dtype=torch.int64)).backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("name", ["table1", "vcl19", "rescl"])
def test_inputs_as_they_are_pass_a_fresh_extractor_first(name):
    def count(network: nn.Module | Classical) -> int:
        assert isinstance(network, nn.Module)
        return sum(p.numel() for p in network.parameters())

    extractor = count(build_extractor(IMAGES))
    assert count(candidate("images", name).model) == extractor + count(candidate("features", name).model)
    for kind in ("project", "pass"):
        behind = replace(IMAGES, transform=kind, components=5, noise="laplace", noise_scale=1.0)
        built = ATTACKS[name].build(behind, 2)
        assert count(built) == count(candidate("images" if kind == "pass" else "features", name).model)


@pytest.mark.parametrize("kind", ["states", "tokens"])
@pytest.mark.parametrize("name", attacks_for("text"))
def test_attacks_on_text_ignore_the_padding(kind, name):
    tokens = tokenise(["a b", "c", "b b"], TEXTS.token_ids, TEXTS.max_tokens)
    features = build_extractor(TEXTS) if kind == "states" else nn.Identity()
    model = candidate(kind, name).model
    function = model.reduce if isinstance(model, Classical) else model.eval()
    for part in function.modules() if isinstance(function, nn.Module) else ():
        if isinstance(part, nn.Linear | nn.Embedding):
            part.weight.data[1:] += 1  # an output of zeros would ignore everything; row 0 is PAD's
    found, padded = function(features(tokens)), function(features(F.pad(tokens, (0, 3))))
    assert torch.allclose(found, padded, atol=1e-5, rtol=1e-4)
    assert len(set(found.flatten().tolist())) > 1


def test_each_modality_has_its_attacks():
    assert attacks_for("image") == ("table1", "vcl16", "vcl19", "rescl", "linear", "mlp", "knn", "trees")
    assert attacks_for("text") == ("table2", "linear", "mlp", "trees")
    check_attacks("evaluation.attacks", ["table2", "trees"], "text")
    check_attacks("evaluation.attacks", [], "image")


@pytest.mark.parametrize(("names", "wrong"), [(["linear", "knn", "table1"], "knn, table1"), (["svm"], "svm")])
def test_an_attack_that_does_not_fit_is_refused(names, wrong):
    with pytest.raises(InputError) as caught:
        check_attacks("evaluation.attacks", names, "text")
    message = str(caught.value)
    assert message.startswith(f"evaluation.attacks={','.join(names)}: {wrong} cannot be used")
    assert message.endswith("for text: table2, linear, mlp, trees") and "\n" not in message


@pytest.mark.parametrize("shape", [(128, 54, 44), (3, 218, 178), (32, 8, 8), (2, 4, 4), (1, 1, 3000)])
def test_pooled_rows_are_short(shape):
    x = torch.ones(2, *shape)
    found = cells(x)
    assert found.shape[1] <= MAX_VALUES and torch.allclose(found, torch.ones_like(found))
    if x[0].numel() <= MAX_VALUES:
        assert torch.equal(found, x.flatten(1))


def test_mean_and_largest_value_over_valid_steps():
    z = torch.tensor([[[-1.0, 2.0], [-3.0, 0.0], [0.0, 0.0]], [[0.0, 0.0]] * 3])
    assert mean_and_max(z).tolist() == [[-2.0, 1.0, -1.0, 2.0], [0.0] * 4]


def test_a_bag_counts_the_most_frequent_words():
    tokens = torch.tensor([[1, 3, 3, WORDS], [2, WORDS + 1, PAD, PAD]])
    bag = bag_of_words(tokens)
    assert bag.shape == (2, WORDS)
    assert [(i, j, int(bag[i, j])) for i, j in bag.nonzero().tolist()] == [
        (0, 0, 1),
        (0, 2, 2),
        (0, WORDS - 1, 1),
        (1, 1, 1),
    ]


def lesson(rows: np.ndarray, labels: np.ndarray, classes: int = 2, seed: int = 0) -> TrainingSet:
    shares = (np.bincount(labels, minlength=classes) + 1) / (len(labels) + classes)
    return TrainingSet(
        rows.astype(np.float32), labels, rows[:20].astype(np.float32), labels[:20], shares, seed
    )


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("count", [2, 3, 40])
@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        pytest.param(np.zeros((40, 3)), np.arange(40) % 2, id="constant rows"),
        pytest.param(np.eye(40), np.arange(40) % 2, id="as many columns as rows"),
        pytest.param(np.eye(40), np.zeros(40, dtype=np.int64), id="one class"),
    ],
)
def test_classical_adversaries_bear_poor_rows(name, count, rows, labels):
    predict = CLASSICAL[name](lesson(rows[:count], labels[:count], classes=3))
    found = predict(rows.astype(np.float32))
    assert found.shape == (40, 3) and np.isfinite(found).all()


@pytest.mark.parametrize("name", CLASSICAL)
def test_constant_and_rescaled_columns_do_not_matter(name):
    generator = seeding.generator(0, "test")
    labels = generator.integers(0, 2, 300)
    rows = generator.normal(size=(300, 4)) + labels[:, None]
    other = np.hstack([np.full((300, 2), 7.0), rows * [1, 100, 0.01, 1] + 5])
    guesses = [
        CLASSICAL[name](lesson(part, labels))(part.astype(np.float32)).argmax(1) for part in (rows, other)
    ]
    assert np.mean(guesses[0] == guesses[1]) > 0.98  # but for rounding


def test_neighbours_weigh_classes_equally_and_are_never_certain():
    generator = seeding.generator(0, "test")
    labels = (generator.random(2000) < 0.1).astype(np.int64)
    predict = learn_neighbours(lesson(generator.normal(size=(2000, 2)), labels))
    found = predict(generator.normal(size=(500, 2)).astype(np.float32))
    assert 0.2 < (found.argmax(axis=1) == 1).mean() < 0.8  # without weights it would hardly ever be 1
    assert found.min() > np.log(1 / 47)  # one neighbour of 46 is of all classes


@pytest.mark.parametrize("name", CLASSICAL)
def test_equal_seeds_give_equal_figures_whatever_the_threads(name):
    generator = seeding.generator(0, "test")
    labels = generator.integers(0, 2, 150)
    rows = (generator.normal(size=(150, 80)) + labels[:, None] / 4).astype(np.float32)

    def found(threads: int) -> np.ndarray:
        with threadpool_limits(threads):
            return CLASSICAL[name](lesson(rows, labels))(rows)

    assert np.array_equal(found(1), found(2))
