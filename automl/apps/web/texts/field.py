"""Texts of the page on pictures from the field."""

from typing import Final

from automl.apps.web.texts import Table

FIELD: Final[Table] = {
    "title": ("Field", "现场"),
    "study": ("Study", "研究"),
    "folder": ("Folder with pictures from the field", "现场图片所在的文件夹"),
    "collect": ("Collect", "收集"),
    "state": (
        "Data set version {version}: {waiting} pictures wait for labels, {labelled} are labelled",
        "数据集第 {version} 版：{waiting} 张图片待标注，{labelled} 张已标注",
    ),
    "collected": (
        "{new} new pictures, {known} known, {unreadable} unreadable; proposals for {proposed}",
        "新图片 {new} 张，已知 {known} 张，不可读 {unreadable} 张；{proposed} 张有建议框",
    ),
    "marked": ("Marked as wrong, but known; look at the labels: {line}", "被标为错误，但图片已知；请检查标注：{line}"),
    "ready": ("Train again with {count} new pictures", "用 {count} 张新图片再训练"),
    "made": (
        "Version {version} is closed; its description: {description}",
        "第 {version} 版已封存；其描述：{description}",
    ),
    "start": ("Start {name} on version {version}", "在第 {version} 版上开始 {name}"),
    "labels": ("Label them", "去标注"),
    "roots": ("Folders below: {roots}", "允许的位置：{roots}"),
    "working": ("Working …", "处理中……"),
}
