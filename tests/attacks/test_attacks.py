"""Every attack: what it takes, what it finds, and what the padding of messages is to it."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.attacks.problems import probe, rows_of
from tiprdc_fl import seeding
from tiprdc_fl.attacks.classical import Classical
from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.probe import Candidate, Rows
from tiprdc_fl.attacks.problem import balanced_accuracy
from tiprdc_fl.attacks.suite import ATTACKS, DEFAULT_ATTACKS, ROW_PROBES, attacks_for, check_attacks
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture, build_extractor
from tiprdc_fl.models.text import tokenise

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
CLASSICAL = [
    (kind, name) for kind, name in EVERY if isinstance(ATTACKS[name].build(ARCHITECTURES[kind], 2), Classical)
]
NETWORKS = [pair for pair in EVERY if pair not in CLASSICAL]


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
    return torch.where(valid, words, 0)


def drawn(kind: str, classes: int, seed: int, seen: bool, rows: int) -> Rows:
    labels = seeding.generator(seed, "test", kind).integers(0, classes, rows)
    return rows_of(labels, inputs(kind, labels if seen else np.full_like(labels, -1), seed), 1000 * seed)


def attacked(kind: str, name: str, classes: int = 2, seen: bool = True) -> float:
    """Balanced accuracy of an attack."""
    candidate = Candidate(partial(ATTACKS[name].build, ARCHITECTURES[kind]), ATTACKS[name].rate)
    rows, measured = drawn(kind, classes, 1, seen, 600), drawn(kind, classes, 2, seen, 400)
    prediction = probe({"one": candidate}, rows, measured, FIT)["one", "A", "contributors"]
    assert prediction.balanced.shape == prediction.natural.shape == (400, classes)
    return balanced_accuracy(prediction.balanced, measured.labels["A"])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [pair for pair in EVERY if pair != ("images", "vcl19")])  # slow
def test_an_attack_finds_what_is_easy(kind, name):
    assert attacked(kind, name) > (
        0.75 if name == "products" else 0.85
    )  # of values that nothing is multiplied in


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [pair for pair in EVERY if pair[0] in ("features", "states")])
def test_an_attack_stays_at_chance_on_independent_labels(kind, name):
    assert abs(attacked(kind, name, seen=False) - 0.5) < 0.1  # 400 rows: four standard errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name"), [("features", "rescl"), ("features", "mlp"), ("features", "knn"), ("tokens", "trees")]
)
def test_three_classes(kind, name):
    assert attacked(kind, name, 3) > 0.65


def built(kind: str, name: str, outputs: int = 2) -> nn.Module | Classical:
    seeding.seed_torch(0, "test", kind, name)
    return ATTACKS[name].build(ARCHITECTURES[kind], outputs)


@pytest.mark.parametrize("outputs", [2, 5])
@pytest.mark.parametrize(("kind", "name"), NETWORKS)
def test_networks_give_every_output_and_learn(kind, name, outputs):
    network = built(kind, name, outputs)
    assert isinstance(network, nn.Module)
    logits = network(inputs(kind, np.arange(6) % 2, 0))
    assert logits.shape == (6, outputs) and logits.abs().max() < 10
    F.cross_entropy(logits, torch.zeros(6, dtype=torch.int64)).backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize(("kind", "name"), CLASSICAL)
def test_row_probes_learn_from_one_row_of_numbers_an_example(kind, name):
    model = built(kind, name)
    assert isinstance(model, Classical)
    rows = model.reduce(inputs(kind, np.arange(6) % 2, 0))
    assert rows.dim() == 2 and len(rows) == 6 and rows.is_floating_point()
    assert model.reduce is built(kind, name, 5).reduce  # probes with the same reduction share the rows


@pytest.mark.parametrize("name", ["conv", "table1", "vcl19", "rescl"])
def test_inputs_as_they_are_pass_a_fresh_extractor_first(name):
    def count(network: nn.Module | Classical) -> int:
        assert isinstance(network, nn.Module)
        return sum(p.numel() for p in network.parameters())

    extractor = count(build_extractor(IMAGES))
    assert count(built("images", name)) == extractor + count(built("features", name))
    for kind in ("project", "pass"):
        behind = replace(IMAGES, transform=kind, components=5, noise="laplace", noise_scale=1.0)
        assert count(ATTACKS[name].build(behind, 2)) == count(
            built("images" if kind == "pass" else "features", name)
        )


@pytest.mark.parametrize("kind", ["states", "tokens"])
@pytest.mark.parametrize("name", attacks_for("text"))
def test_attacks_on_text_ignore_the_padding(kind, name):
    tokens = tokenise(["a b", "c", "b b"], TEXTS.token_ids, TEXTS.max_tokens)
    features = build_extractor(TEXTS) if kind == "states" else nn.Identity()
    model = built(kind, name)
    function = model.reduce if isinstance(model, Classical) else model.eval()
    for part in function.modules() if isinstance(function, nn.Module) else ():
        if isinstance(part, nn.Linear | nn.Embedding):
            part.weight.data[1:] += 1  # an output of zeros would ignore everything; row 0 is PAD's
    plain, padded = function(features(tokens)), function(features(F.pad(tokens, (0, 3))))
    assert torch.allclose(plain, padded, atol=1e-5, rtol=1e-4)
    assert len(set(plain.flatten().tolist())) > 1


def test_each_modality_has_its_attacks_and_its_default_suite():
    assert set(ROW_PROBES) <= set(ATTACKS)
    for modality, other in (("image", "table2"), ("text", "table1")):
        assert set(DEFAULT_ATTACKS[modality]) <= set(attacks_for(modality))
        assert other not in attacks_for(modality)
        assert {"lda", "linear", "kernel", "trees"} <= set(DEFAULT_ATTACKS[modality])
        check_attacks("evaluation.attacks", DEFAULT_ATTACKS[modality], modality)
    check_attacks("evaluation.attacks", [], "image")


@pytest.mark.parametrize(("names", "wrong"), [(["linear", "knn", "table1"], "knn, table1"), (["svm"], "svm")])
def test_an_attack_that_does_not_fit_is_refused(names, wrong):
    with pytest.raises(InputError) as caught:
        check_attacks("evaluation.attacks", names, "text")
    message = str(caught.value)
    assert message.startswith(f"evaluation.attacks={','.join(names)}: {wrong} cannot be used")
    assert message.endswith(f"for text: {', '.join(attacks_for('text'))}") and "\n" not in message
