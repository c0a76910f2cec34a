"""What tests share: where data are, and how hard Hypothesis tries."""

import os
from pathlib import Path

import mlaas4hep
import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("quick", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def sample() -> Path:
    """Return the folder of the sample data that travel with the package."""
    return Path(mlaas4hep.__file__).parent / "sample"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of further ROOT files beside the project; skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the ROOT files of {folder}, which are not part of the project")
    return folder
