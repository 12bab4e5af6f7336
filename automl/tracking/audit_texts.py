"""Strings of the label audit's page, English and Chinese."""

from collections.abc import Mapping
from typing import Final

from automl.tracking.report.language import Language

ENGLISH: Final[Mapping[str, str]] = {
    "lang": "en",
    "title": "Label audit",
    "colon": ": ",
    "space": " ",
    "head": "Written {written} by automl audit. Data: {source}.",
    "lead": "Places where trained models disagree with the labels, the most suspicious first. Nothing was changed: "
    "look at each and correct the label file by hand.",
    "learned": "A score is the estimated probability that the label is wrong, if one label in twenty is.",
    "rules": "A score is no probability: there are too few labels to learn one from.",
    "folds": "{folds} trainings, each asked about the images that it was not trained on",
    "red": "label",
    "blue": "what the models see",
    "split": "split", "images": "images", "labels": "labels", "models": "Models",
    "suspects": "suspects",
    "none": "No suspect label was found.",
    "shown": "The first {shown} of {all} are shown; audit.json has all.",
    "missed": "not found", "missed_text": "{cls}: the models find nothing here. Is there an object?",
    "extra": "missing label", "extra_text": "The models see {suggested}, but there is no label.",
    "wrong class": "wrong class", "wrong class_text": "Labelled {cls}, but the models see {suggested}.",
    "loose box": "loose box", "loose box_text": "{cls}: the models agree on another box.",
    "agree": "score {score}, {agree} of {asked} models",
    "line": "line {line}",
    "no_picture": "no picture",
}  # fmt: skip

CHINESE: Final[Mapping[str, str]] = {
    "lang": "zh-CN",
    "title": "标注审查",
    "colon": "：",
    "space": "",
    "head": "由 automl audit 于 {written} 生成。数据：{source}。",
    "lead": "以下是训练好的模型与标注不一致之处，最可疑的排在最前。没有修改任何文件："
    "请逐一查看，并手动更正标注文件。",
    "learned": "分数是在二十个标注中有一个错误的前提下，该标注有误的估计概率。",
    "rules": "分数不是概率：标注太少，无法据此学习。",
    "folds": "{folds} 次训练，每次只判断未参与该次训练的图像",
    "red": "标注",
    "blue": "模型的检测结果",
    "split": "数据划分", "images": "图像", "labels": "标注数", "models": "模型",
    "suspects": "可疑处",
    "none": "未发现可疑标注。",
    "shown": "共 {all} 处，这里显示前 {shown} 处；全部见 audit.json。",
    "missed": "未检出", "missed_text": "{cls}：模型在此处没有检出任何目标。这里有目标吗？",
    "extra": "缺少标注", "extra_text": "模型检出 {suggested}，但此处没有标注。",
    "wrong class": "类别错误", "wrong class_text": "标注为 {cls}，但模型认为是 {suggested}。",
    "loose box": "边框不准", "loose box_text": "{cls}：各模型一致给出另一个边框。",
    "agree": "分数 {score}，{asked} 个模型中 {agree} 个一致",
    "line": "第 {line} 行",
    "no_picture": "无法显示图像",
}  # fmt: skip

TEXTS: Final[Mapping[Language, Mapping[str, str]]] = {Language.EN: ENGLISH, Language.ZH: CHINESE}
