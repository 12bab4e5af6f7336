"""Names of gates in Chinese: fixed ones, and those that contain what was built, a threshold or a class."""

import re
from collections.abc import Mapping
from typing import Final

from automl.tracking.report.chinese import CHINESE

WHAT: Final[Mapping[str, str]] = {"ONNX": "ONNX 文件", "engine": "推理引擎"}
"""What was built; any other name is that of a target."""
PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"(?P<what>.+) F1 at threshold (?P<at>\S+)", "{what}在阈值 {at} 处 F1 的变化"),
        (r"(?P<what>.+) precision at threshold (?P<at>\S+)", "{what}在阈值 {at} 处精确率的变化"),
        (r"(?P<what>.+) recall at threshold (?P<at>\S+)", "{what}在阈值 {at} 处召回率的变化"),
        (r"(?P<what>.+) class recall", "{what}各类别召回率的最大下降"),
        (r"(?P<what>.+) confidence", "{what}平均置信度的变化"),
        (r"(?P<what>.+) objective", "{what}优化目标的变化"),
        (r"target (?P<what>.+) end_to_end_ms", "{what}端到端处理一张图像的中位毫秒数"),
        (r"end_to_end_ms on (?P<what>.+)", "约束 {what}端到端处理一张图像的中位毫秒数"),
        (r"target (?P<what>.+) latency_ms", "{what}处理一张图像的中位毫秒数"),
        (r"target (?P<what>.+) size_mb", "{what}文件的 MB 数"),
        (r"latency_ms on (?P<what>.+)", "约束 {what}处理一张图像的中位毫秒数"),
        (r"size_mb on (?P<what>.+)", "约束 {what}文件的 MB 数"),
        (r"target (?P<what>.+) built", "{what}已生成并测量"),
        (r"forgetting (?P<what>.+)", "在早期数据集{what}上的遗忘"),
    )
)


def chinese(name: str) -> str | None:
    """Return the name of a gate in Chinese, what was built as code; None if it is not known.

    >>> chinese("ONNX F1 at threshold 0.31"), chinese("target cpu built"), chinese("other")
    ('ONNX 文件在阈值 0.31 处 F1 的变化', '`cpu`已生成并测量', None)
    """
    if found := CHINESE.get(f"gate.{name}"):
        return found
    for pattern, text in PATTERNS:
        if matched := pattern.fullmatch(name):
            what = matched["what"].removeprefix("target ")
            return text.format(**{**matched.groupdict(), "what": WHAT.get(what, f"`{what}`")})
    return None
