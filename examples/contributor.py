"""One contributor by hand: extract features, encode and send them; the collector checks and decodes them."""

import numpy as np

from tiprdc_fl import extract
from tiprdc_fl.data.faces.dataset import faces
from tiprdc_fl.federation.contribution import Contributions, pack, rejections, unpack
from tiprdc_fl.federation.contributor import layout_of
from tiprdc_fl.models.architecture import Architecture, build_extractor
from tiprdc_fl.models.extractor import from_bytes, to_bytes
from tiprdc_fl.store.codec import decode, encode
from tiprdc_fl.store.layout import STAGES

CODEC = "float16"
architecture = Architecture("image", width=4, image_size=(32, 32))
received = to_bytes(build_extractor(architecture), architecture)  # a run's is in its extractor.safetensors

# On the device: features [n, channels, h, w], encoded a channel a row.
extractor = from_bytes(received)
layout = layout_of(extractor, CODEC, ["Smiling"])
examples = faces(None, architecture.image_size, seed=0).load([7])
features = extract(extractor, examples.loaded)
rows = features.flatten(2).flatten(0, 1)
payload, sizes = encode(rows, np.full(len(features), features.shape[1]), CODEC)
contribution = Contributions(
    contributor=np.array([7]),
    examples=np.array([len(features)], np.int32),
    seconds=np.zeros((1, len(STAGES))),
    payload=payload,
    payload_bytes=sizes.astype(np.int32),
    raw_bytes=examples.raw_bytes.astype(np.int32),
    labels=examples.attributes["Smiling"][:, None],
)

# At the collector: whatever arrives is checked before it is used.
arrived = unpack(pack(contribution, layout), layout, 1)
assert rejections(arrived, [7], layout) == {}
decoded, _ = decode(arrived.payload, arrived.payload_bytes, CODEC, features[0, 0].numel())
print(f"{len(features)} examples, {len(payload):,} bytes, error {float((decoded - rows).abs().max()):.1g}")
