"""Texts of the frame: menu, language, appearance."""

from typing import Final

from automl.apps.web.texts import Table

FRAME: Final[Table] = {
    "menu": ("Menu", "菜单"),
    "skip": ("Skip to content", "跳到正文"),
    "other_language": ("中文", "English"),
    "dark": ("Light / dark", "浅色 / 深色"),
    "lost": ("The connection is lost; a study goes on.", "连接已断开，研究仍在运行。"),
    "reconnecting": ("Connecting again ...", "正在重新连接……"),
    "missing": ("There is no {what} of this name in the storage.", "存储中没有这个名称的{what}。"),
    "study": ("study", "研究"),
    "model": ("model", "模型"),
    "quoted": ("Message of the program: ", "程序消息（英文）："),
}
