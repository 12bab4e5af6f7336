"""The address of a tracking server: what is refused, with the key, and that no credential is ever shown."""

from pathlib import Path

import pytest

from automl.study import load, server_address
from automl.study.errors import SpecError
from automl.study.spec import StudySpec
from tests.builders import FakeRules, spec_of
from tests.study.test_validation import changed, told

SECRET = "hunter2"


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:5000", "https://mlflow.example.org", "https://host/mlflow/", "http://[::1]:5000"]
)
def test_an_address_of_a_server_is_accepted(address: str) -> None:
    assert server_address.mistake(address) == ""
    assert spec_of(tracking={"mlflow": {"uri": address}}).tracking.mlflow is not None


@pytest.mark.parametrize(
    "address",
    ["", "mlflow", "file:///tmp/runs", "sqlite:///a.db", "http://", "http://host:port", "http://host:99999",
     "http://a b", "http://host/?token=1", "http://host/#a", "http://höst", "http://[::1"],
)  # fmt: skip
def test_another_one_is_refused(tmp_path: Path, address: str) -> None:
    assert server_address.mistake(address).startswith("must be an address such as https://mlflow.example.org")
    (line,) = told(changed(tmp_path, tracking=f"{{mlflow: {{uri: {address!r}}}}}"))
    assert line.startswith("tracking.mlflow.uri: must be an address")


@pytest.mark.parametrize("credentials", [f"me:{SECRET}", SECRET])
def test_credentials_in_it_are_refused_with_the_remedy_and_not_shown(tmp_path: Path, credentials: str) -> None:
    address = f"https://{credentials}@host"
    assert SECRET not in server_address.mistake(address)
    assert "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in server_address.mistake(address)
    with pytest.raises(SpecError, match="must not contain a") as caught:
        load.load(changed(tmp_path, tracking=f"{{mlflow: {{uri: '{address}'}}}}"), rules=FakeRules())
    assert SECRET not in str(caught.value)


def test_the_server_is_none_unless_given() -> None:
    assert StudySpec.model_fields["tracking"].default.mlflow is None
