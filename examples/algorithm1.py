"""Algorithm 1 by the letter, which tests/training/test_letter.py ties tiprdc_fl.training.hybrid to."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tiprdc_fl.data.faces.dataset import faces
from tiprdc_fl.models.architecture import Architecture as Arch
from tiprdc_fl.training.hybrid import Players, build_players
from tiprdc_fl.training.information import OBJECTIVES


def literal_step(players: Players, x: Tensor, u: Tensor, order: Tensor, budget: float) -> None:
    """Lines 3 to 5, for inputs x [n, ...] with binary private labels u, int64 [n]; the x' of Eq. 9 are x[order]."""
    extractor, (adversary,), estimator = players.extractor, players.adversaries, players.estimator

    def bound(z: Tensor) -> Tensor:  # Eq. 9
        z, hot = estimator.embed_features(z), F.one_hot(u, 2).float()
        joint, marginal = (estimator.score(estimator.embed_input(images), z, hot) for images in (x, x[order]))
        return -F.softplus(-joint).mean() - F.softplus(marginal).mean()

    _descend(players.psi[0], F.cross_entropy(adversary(extractor(x)), u))  # line 3: Eq. 8
    _descend(players.omega, -bound(extractor(x)))  # line 4
    z = extractor(x)  # line 5: Eq. 18
    _descend(players.theta, -budget * F.cross_entropy(adversary(z), u) - (1 - budget) * bound(z))


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


if __name__ == "__main__":
    people = faces(None, (32, 32), seed=0).load(range(9))
    x, u = torch.as_tensor(people.loaded) / 255, torch.from_numpy(people.attributes["Male"]).long()
    players = build_players(Arch("image", 4, (32, 32)), OBJECTIVES["jsd"], x, (2,), 3, 1e-4, 1e-4, "cpu")
    literal_step(players, x, u, torch.arange(len(x)).roll(1), budget=0.9)  # the paper's budget
    print(f"one step on {len(x)} images")
