"""Texts of the page on labels."""

from typing import Final

from automl.apps.web.texts import Table

LABELS: Final[Table] = {
    "title": ("Labels", "标注"),
    "editor": (
        "Image with boxes: arrows move, Shift and arrows resize, Delete removes, 1 to 9 set the class",
        "带框的图片：方向键移动，Shift 加方向键缩放，Delete 删除，1 到 9 设置类别",
    ),
    "by": ("Your name", "您的名字"),
    "show": ("Show", "显示"),
    "all": ("all images", "全部图片"),
    "unlabelled": ("without labels", "未标注的"),
    "proposed": ("with proposals", "有建议框的"),
    "suspects": ("suspect labels of the audit", "审查出的可疑标注"),
    "previous": ("Previous", "上一张"),
    "next": ("Next", "下一张"),
    "undo": ("Undo", "撤销"),
    "background": ("Nothing is here", "此图无目标"),
    "accept": ("Accept all proposals", "接受全部建议框"),
    "delete": ("Delete box", "删除框"),
    "zoom in": ("Zoom in", "放大"),
    "zoom out": ("Zoom out", "缩小"),
    "new": ("New box", "新建框"),
    "classes": ("Class", "类别"),
    "right": ("Right", "标注正确"),
    "wrong": ("Wrong: delete", "标注错误：删除"),
    "fix": ("Fix as the models see it", "按模型的结果修正"),
    "saved": ("saved", "已保存"),
    "conflict": (
        "Not saved: {who} changed these labels. This is how they are now.",
        "未保存：{who} 已修改这些标注。当前内容如下。",
    ),
    "other program": ("another program", "其他程序"),
    "none": ("No image is left here.", "这里没有剩余图片。"),
    "state.unlabelled": ("no labels yet", "尚未标注"),
    "state.background": ("background: nothing is there", "背景：无目标"),
    "state.labelled": ("boxes: {count}", "{count} 个框"),
    "proposals": ("proposals of {model}: {count}", "{model} 的 {count} 个建议框"),
    "mistakes": ("{count} invalid lines, which the next save removes", "{count} 行无效，下次保存时删除"),
    "suspect": ("{kind}: {cls} → {suggested} (score {score})", "{kind}：{cls} → {suggested}（得分 {score}）"),
    "kind.missed": ("not found by the models", "模型未检出"),
    "kind.extra": ("label is missing", "缺少标注"),
    "kind.wrong class": ("wrong class", "类别错误"),
    "kind.loose box": ("loose box", "框不准确"),
    "keys": (
        "Keys: drag draws · Tab selects · 1–9 class · arrows move, with Shift resize · Delete · n new box · a accept proposals · b background · u undo · Enter next, comma previous · + − 0 zoom",
        "按键：拖动画框 · Tab 选择 · 1–9 类别 · 方向键移动，加 Shift 缩放 · Delete 删除 · n 新建框 · a 接受建议框 · b 背景 · u 撤销 · Enter 下一张，逗号上一张 · + − 0 缩放",
    ),
    "suspect keys": ("r right · w wrong · f fix", "r 正确 · w 错误 · f 修正"),
    "propose": ("Let a model propose", "让模型给出建议框"),
    "model": ("Model", "模型"),
    "model text": (
        "A model, or the path of weights (.pt, .onnx) in the storage",
        "模型，或存储中权重文件（.pt、.onnx）的路径",
    ),
    "proposed count": ("{count} images have proposals", "{count} 张图片有建议框"),
    "pick": ("Data set", "数据集"),
    "no sets": (
        "No data set is in this storage yet: import one under Data.",
        "存储中还没有数据集：请先在“数据”页导入。",
    ),
    "settle": ("Give labelled pictures a split", "为已标注图片分配划分"),
    "settled": (
        "{train} to train, {val} to val, {test} to test; {waiting} wait",
        "{train} 张到训练集，{val} 张到验证集，{test} 张到测试集；{waiting} 张待标注",
    ),
    "working": ("Working ...", "处理中……"),
}
