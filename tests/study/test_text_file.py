"""Text in another encoding is told by its name, and taken where a comment alone is concerned."""

from pathlib import Path

import pytest

from automl.study.errors import SpecError
from automl.study.yaml_io import read_yaml


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_another_unicode_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.yaml").write_text("train: x\n", encoding=encoding)
    with pytest.raises(SpecError, match=f"its encoding is {encoding.upper()}; save it as UTF-8"):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize(("text", "encoding"), [("names: [größe]", "cp1252"), ("train: 数据", "gbk")])
def test_a_code_page_in_a_value_is_refused(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding=encoding)
    with pytest.raises(SpecError, match=r"byte 0x.. in line 1 is not .*; save it as UTF-8"):
        read_yaml(tmp_path / "a.yaml")


def test_a_code_page_in_a_comment_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# größe\ntrain: x # ü\n", encoding="cp1252")
    assert read_yaml(tmp_path / "a.yaml") == {"train": "x"}
    (tmp_path / "a.yaml").write_text("train: ü\n", encoding="utf-8-sig")
    assert read_yaml(tmp_path / "a.yaml") == {"train": "ü"}
