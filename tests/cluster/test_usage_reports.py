"""Usage reports: an embedded Ray's dashboard finds a launcher's file at home, and the token of the real home."""

import os
from pathlib import Path

import pytest
from ray._common.usage import usage_lib
from ray._private import services

from automl.cluster import usage_reports


def test_the_dashboard_asks_no_metadata_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> str:
        raise AssertionError("a metadata service was asked")

    def start() -> tuple[str | None, str]:
        found = usage_lib.get_cluster_config_to_report(str(Path.home() / usage_reports.LAUNCHER_FILE))
        return found.cloud_provider, os.environ["RAY_AUTH_TOKEN_PATH"]

    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("token")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", *usage_reports.DISABLED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(usage_lib, "get_cloud_from_metadata_requests", asked)
    monkeypatch.setattr(services, usage_reports.BEGIN, start)
    with usage_reports.none():
        assert getattr(services, usage_reports.BEGIN)() == ("local", str(token))
        assert Path.home() == tmp_path
        assert not usage_lib.usage_stats_enabled()
        assert getattr(usage_lib, "_usage_stats_report_url")().startswith("http://127.0.0.1:")  # noqa: B009
    assert getattr(services, usage_reports.BEGIN) is start
    for name in usage_reports.DISABLED:
        monkeypatch.delenv(name)
