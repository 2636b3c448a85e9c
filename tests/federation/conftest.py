"""What the tests of kills and of a cluster compare with."""

import pytest

from tests.federation.killed import collection_in
from tiprdc_fl.federation.collection import features_path
from tiprdc_fl.federation.engine import run_inline
from tiprdc_fl.store.feature_store import open_store


@pytest.fixture(scope="package")
def undisturbed(tmp_path_factory) -> str:
    """Digest of the store of a collection that nothing has disturbed."""
    collection = collection_in(tmp_path_factory.mktemp("undisturbed") / "run")
    run_inline(collection, lambda contributors, examples: None)
    return open_store(features_path(collection.folder)).digest()
