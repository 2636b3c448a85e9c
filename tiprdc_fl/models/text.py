"""Table 2: the networks for text, and the tokens they read.

The paper's size d is 300 at width 64; every layer scales with the width. A message is padded at its end with the
token PAD, and the features of a padded step are zeros. Networks on features recognise the length of a message by
them.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tiprdc_fl.models.image import PAPER_WIDTH, fully_connected

PAD, UNKNOWN = 0, 1
FEWEST_SPEAKERS = 3
SPECIAL_TOKENS = ("<pad>", "<unknown>")
_WORD = re.compile(r"\w+|[^\w\s]")


def words_of(message: str) -> list[str]:
    """Splits a message into lower-case words and single punctuation marks."""
    return _WORD.findall(message.lower())


def build_vocabulary(messages: Sequence[str], people: Sequence[int], size: int) -> tuple[str, ...]:
    """The ``size`` most frequent tokens, PAD and UNKNOWN first; ties in alphabetical order.

    The vocabulary is sent to every contributor. It has only words that at least FEWEST_SPEAKERS people use, because
    a rare name could identify the collector's people.

    Args:
        messages: messages of the collector's people.
        people: person of each message.
        size: largest number of tokens, PAD and UNKNOWN included.
    """
    counts: Counter[str] = Counter()
    speakers: dict[str, set[int]] = defaultdict(set)
    for message, person in zip(messages, people, strict=True):
        words = words_of(message)
        counts.update(words)
        for word in words:
            speakers[word].add(int(person))
    common = [word for word in counts if len(speakers[word]) >= FEWEST_SPEAKERS]
    ranked = sorted(common, key=lambda word: (-counts[word], word))
    return (*SPECIAL_TOKENS, *ranked[: size - len(SPECIAL_TOKENS)])


def tokenise(messages: Sequence[str], ids: dict[str, int], max_tokens: int) -> Tensor:
    """Converts messages to token ids, int64 [n, length], with PAD at the end.

    The length is that of the longest message, at most ``max_tokens``. A message without words becomes one UNKNOWN,
    so that every message has a valid step.
    """
    rows = [
        [ids.get(word, UNKNOWN) for word in words_of(message)[:max_tokens]] or [UNKNOWN]
        for message in messages
    ]
    tokens = torch.full((len(rows), max(map(len, rows), default=1)), PAD, dtype=torch.int64)
    for padded, row in zip(tokens, rows, strict=True):
        padded[: len(row)] = torch.tensor(row)
    return tokens


def text_size(width: int) -> int:
    """Layer size d: 300 at the paper's width 64."""
    return max(2, round(300 * width / PAPER_WIDTH))


def last_valid(states: Tensor, mask: Tensor) -> Tensor:
    """State of each message at its last valid step: [batch, length, d], bool [batch, length] -> [batch, d]."""
    steps = torch.arange(mask.shape[1], device=mask.device)
    last = torch.where(mask, steps, 0).amax(dim=1)
    return states[torch.arange(len(states), device=states.device), last]


def valid_steps(z: Tensor) -> Tensor:
    """Whether each step of features [batch, length, d] is not padding, bool [batch, length]."""
    return (z != 0).any(dim=2)


def mean_step(z: Tensor) -> Tensor:
    """Mean of the valid steps, as one step: [batch, length, d] -> [batch, 1, d]; zeros for a message without any.

    A cumulative sum adds the steps in their order. The order of a plain sum depends on the message's place in the
    batch.
    """
    return z.cumsum(dim=1)[:, -1:] / valid_steps(z).sum(dim=1).clamp(min=1)[:, None, None]


def run_lstm(lstm: nn.LSTM, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """What an LSTM returns; under autocast on a CPU that has no bfloat16 LSTM it computes in float32, and rounds.

    Other layers are emulated there, and an LSTM is refused.
    """
    if (
        x.device.type != "cpu"
        or not torch.is_autocast_enabled("cpu")
        or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    ):
        return lstm(x)
    with torch.autocast("cpu", enabled=False):
        states, last = lstm(x.float())
    return states.to(torch.get_autocast_dtype("cpu")), last


class TextExtractor(nn.Module):
    """Feature extractor: embedding-d, lstm-d (Table 2, left).

    Tokens int64 [batch, length] -> features z [batch, length, d], zero at padded steps.
    """

    def __init__(self, width: int, vocabulary_size: int):
        super().__init__()
        size = text_size(width)
        self.embedding = nn.Embedding(vocabulary_size, size, padding_idx=PAD)
        self.lstm = nn.LSTM(size, size, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        """Features of a batch of messages."""
        states, _ = run_lstm(self.lstm, self.embedding(tokens))
        return states * (tokens != PAD).unsqueeze(2)


class TextClassifier(nn.Module):
    """Classifier: 2 x lstm-d read at the last valid step, fc-d/2, fc-classes (Table 2, middle).

    Features [batch, length, d] -> logits [batch, classes].
    """

    def __init__(self, width: int, classes: int):
        super().__init__()
        size = text_size(width)
        self.lstm = nn.LSTM(size, size, num_layers=2, batch_first=True)
        self.head = fully_connected([size, size // 2, classes])

    def forward(self, z: Tensor) -> Tensor:
        """Logits of a batch of features."""
        states, _ = run_lstm(self.lstm, z)
        return self.head(last_valid(states, valid_steps(z)))


class TextEstimator(nn.Module):
    """Mutual information estimator E_omega (Table 2, right).

    The message passes embedding-d and lstm-d, and its states are concatenated with the features step by step. Both
    pass 2 x lstm-d. The state at the last step that is valid in either is concatenated with one-hot u and passes
    fc-d/2 and fc-1.
    """

    def __init__(self, width: int, vocabulary_size: int, classes: int):
        super().__init__()
        size = text_size(width)
        self.message = TextExtractor(width, vocabulary_size)
        self.lstm = nn.LSTM(2 * size, size, num_layers=2, batch_first=True)
        self.head = fully_connected([size + classes, size // 2, 1])

    def embed_input(self, tokens: Tensor) -> Tensor:
        """Tokens [batch, length] -> [batch, length, d]."""
        return self.message(tokens)

    def embed_features(self, z: Tensor) -> Tensor:
        """Features [batch, length, d], unchanged."""
        return z

    def score(self, x_embedding: Tensor, z_embedding: Tensor, u: Tensor) -> Tensor:
        """E_omega of (x, z, one-hot u), float [batch]."""
        mask = valid_steps(x_embedding) | valid_steps(z_embedding)
        states, _ = run_lstm(self.lstm, torch.cat([x_embedding, z_embedding], dim=2))
        last = last_valid(states, mask)
        return self.head(torch.cat([last, u.to(last.dtype)], dim=1)).squeeze(1)
