from __future__ import annotations

import pytest
from paths import ROOT

from orojar_cli.directions import Settings
from orojar_cli.tuning.mapping import MappingOptions

SETTINGS = Settings(space="z", seed=1)
QUICK = MappingOptions(steps=12, regression_steps=20, surrogate_steps=60, images=1200, frame_samples=32, batch=6, anchor_batch=128)


@pytest.fixture(scope="session")
def prepared():
    """(generator, anchor, surrogate, unexplained share) of the demonstration network, not to be changed."""
    from orojar_cli import load_checkpoint
    from orojar_cli.tuning.mapping import prepare

    generator = load_checkpoint(ROOT / "checkpoints" / "shapes32.pkl").generator
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orojar_cli.directions.frame._ACTIVENESS_SAMPLES", 4)
        return generator, *prepare(generator, SETTINGS, QUICK)


@pytest.fixture(scope="session")
def settings() -> Settings:
    return SETTINGS


@pytest.fixture(scope="session")
def quick() -> MappingOptions:
    return QUICK


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the prepared network waits for it for seconds."""
    for item in items:
        if "prepared" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
