"""Strings of the page of the data report, English and Chinese."""

from collections.abc import Mapping
from typing import Final

from automl.data.report import reason_texts
from automl.data.report.thresholds import HUGE_SHARE, OTHER_CLASS_IOU, REPEATED_IOU, TINY_SIDE
from automl.tracking.report.language import Language

ENGLISH: Final[Mapping[str, str]] = {
    "lang": "en",
    "title": "Data report: {name}",
    "head": "Written {written} by automl check. Data: {source}. Image size of the study: {imgsz}.",
    "reason": "{grade}, {finding}:", "stop": ".",
    "sound": "Nothing was found that would lower the grade.",
    "note": "Note: {note}.",
    "splits": "Splits", "split": "split", "listed": "images listed", "used": "used", "empty": "without a box",
    "boxes": "boxes", "images": "images", "suspicious": "suspicious labels",
    "classes": "Classes", "class": "class", "classes_text": "Boxes and images of each class; red: fewer than {few} boxes.",
    "boxes_of": "{split}: boxes",
    "more_classes": "And {count} more classes; automl check --json lists all.",
    "sizes": "Sizes and places of boxes",
    "sizes_text": "Size: root of the area; tiny below 8 px, small below 32, medium below 96. Places: centres of the "
    "boxes over the image, darker is more.",
    "tiny": "tiny", "small": "small", "medium": "medium", "large": "large",
    "in_pixels": "in pixels of the image", "at_size": "at image size {imgsz}", "centres": "centres, at most {peak} a cell",
    "cell": "{count} boxes",
    "appearance": "Brightness, sharpness, resolution", "value": "value", "least": "least", "median": "median",
    "most": "most", "stand_out": "stand out",
    "brightness": "brightness (0 to 255)", "sharpness": "sharpness", "width": "width", "height": "height",
    "exposed": "{dark} very dark, {bright} very bright", "blurred": "{count} much less sharp than the median",
    "other_resolutions": ", {count} other resolutions",
    "dark_images": "{split}, very dark: ", "bright_images": "{split}, very bright: ",
    "blurred_images": "{split}, not sharp: ", "more": " and {count} more",
    "copies": "Duplicates and leakage",
    "exact within": "{count} of {of} images of {split} are copies of others in it",
    "near within": "{count} of {of} images of {split} are near copies of others in it",
    "exact between": "{count} of {of} images of {split} are copies of images of {other}",
    "near between": "{count} of {of} images of {split} are near copies of images of {other}",
    "leakage_text": "Leakage: metrics on {split} are too high. Keep each image in one split.",
    "duplicates_text": "They add little information. Remove them.",
    "shown": "{shown} of {all} are shown.",
    "no_copies": "No image is a copy or near copy of another.",
    "suspects": "Suspicious labels",
    "worst_shown": "The worst {shown} of {all} are shown; automl check --json lists more.",
    "no_suspects": "None was found.",
    "unused": "Files that are not used",
    "broken": "{split}: {unreadable} unreadable images, {left_out} images with invalid label lines, {repeated} repeated "
    "label lines",
    "unreadable_listed": "{shown} of {all} unreadable images are listed.",
    "all_used": "All listed images and label lines are used.",
    "no_picture": "no picture: OpenCV cannot decode it",
    "overlapping another class": "overlapping another class",
    "overlapping another class remedy": f"Two boxes of different classes with IoU above {OTHER_CLASS_IOU:g}, probably "
    "one object labelled twice: delete the wrong one.",
    "duplicated": "duplicated",
    "duplicated remedy": f"Two boxes of one class with IoU above {REPEATED_IOU:g}: delete one.",
    "outside the image": "outside the image",
    "outside the image remedy": "The box reaches beyond the image: cut it at the border, or look for a wrong image size "
    "in the conversion.",
    "huge": "huge",
    "huge remedy": f"The box covers more than {HUGE_SHARE:.0%} of the image: draw it around the object.",
    "tiny remedy": f"A side is shorter than {TINY_SIDE:g} px of the image: usually a slip of the hand; delete it.",
    "cut at the border": "cut at the border",
    "cut at the border remedy": "A small remainder of an object at the border, as tiles leave them: delete it if it "
    "cannot be recognised.",
}  # fmt: skip

CHINESE: Final[Mapping[str, str]] = {
    "lang": "zh-CN",
    "title": "数据报告：{name}",
    "head": "由 automl check 于 {written} 生成。数据：{source}。研究的图像尺寸：{imgsz}。",
    "reason": "{grade}，{finding}：", "stop": "。",
    "sound": "未发现会降低等级的问题。",
    "note": "注意（程序消息，英文）：{note}。",
    "splits": "数据划分", "split": "划分", "listed": "列出的图片", "used": "已使用", "empty": "无框",
    "boxes": "框", "images": "图片", "suspicious": "可疑标注",
    "classes": "类别", "class": "类别", "classes_text": "各类别的框数和图片数；红色：少于 {few} 个框。",
    "boxes_of": "{split}：框",
    "more_classes": "另有 {count} 个类别；全部见 automl check --json。",
    "sizes": "框的大小和位置",
    "sizes_text": "大小为面积的平方根：微小低于 8 像素，小低于 32，中低于 96。位置为框中心在图片中的分布，颜色越深越多。",
    "tiny": "微小", "small": "小", "medium": "中", "large": "大",
    "in_pixels": "以图片像素计", "at_size": "在图像尺寸 {imgsz} 下", "centres": "框中心，每格最多 {peak} 个",
    "cell": "{count} 个框",
    "appearance": "亮度、清晰度、分辨率", "value": "项目", "least": "最小", "median": "中位数",
    "most": "最大", "stand_out": "异常",
    "brightness": "亮度（0 到 255）", "sharpness": "清晰度", "width": "宽", "height": "高",
    "exposed": "{dark} 张过暗，{bright} 张过亮", "blurred": "{count} 张远不如中位数清晰",
    "other_resolutions": "，另有 {count} 种分辨率",
    "dark_images": "{split}，过暗：", "bright_images": "{split}，过亮：",
    "blurred_images": "{split}，模糊：", "more": " 等另 {count} 张",
    "copies": "重复与泄漏",
    "exact within": "{split} 的 {of} 张图片中有 {count} 张与同一划分中的其他图片相同",
    "near within": "{split} 的 {of} 张图片中有 {count} 张与同一划分中的其他图片近似",
    "exact between": "{split} 的 {of} 张图片中有 {count} 张与 {other} 中的图片相同",
    "near between": "{split} 的 {of} 张图片中有 {count} 张与 {other} 中的图片近似",
    "leakage_text": "泄漏：{split} 上的指标偏高。每张图片只留在一个划分。",
    "duplicates_text": "它们几乎不增加信息。请删除。",
    "shown": "共 {all} 对，这里显示 {shown} 对。",
    "no_copies": "没有相同或近似的图片。",
    "suspects": "可疑标注",
    "worst_shown": "共 {all} 处，这里显示最可疑的 {shown} 处；更多见 automl check --json。",
    "no_suspects": "未发现可疑标注。",
    "unused": "未使用的文件",
    "broken": "{split}：{unreadable} 张图片不可读，{left_out} 张图片有无效的标注行，{repeated} 行标注重复",
    "unreadable_listed": "共 {all} 张不可读的图片，这里列出 {shown} 张。",
    "all_used": "列出的图片和标注行均已使用。",
    "no_picture": "无法显示：OpenCV 不能解码",
    "overlapping another class": "与其他类别重合",
    "overlapping another class remedy": f"不同类别的两个框 IoU 高于 {OTHER_CLASS_IOU:g}，可能是同一目标标注了两次：请删除错误的框。",
    "duplicated": "重复",
    "duplicated remedy": f"同一类别的两个框 IoU 高于 {REPEATED_IOU:g}：请删除一个。",
    "outside the image": "超出图片",
    "outside the image remedy": "框超出图片：请在边界处截断，或检查转换时的图片尺寸是否有误。",
    "huge": "过大",
    "huge remedy": f"框覆盖图片的 {HUGE_SHARE:.0%} 以上：请沿目标边缘重画。",
    "tiny remedy": f"一边短于图片的 {TINY_SIDE:g} 像素：通常是误操作，请删除。",
    "cut at the border": "在边界处被截断",
    "cut at the border remedy": "目标在边界处的少量残余，常由切块产生：无法辨认时请删除。",
}  # fmt: skip

TEXTS: Final[Mapping[Language, Mapping[str, str]]] = {Language.EN: ENGLISH, Language.ZH: CHINESE}
REASONS: Final[Mapping[Language, Mapping[str, str]]] = {
    Language.EN: reason_texts.ENGLISH,
    Language.ZH: reason_texts.CHINESE,
}
FINDINGS: Final[Mapping[str, str]] = {
    "duplicates": "重复", "leakage": "泄漏", "coverage": "覆盖不足", "unusable": "无法使用",
    "suspicious labels": "可疑标注", "tiny boxes": "目标过小", "imbalance": "类别不均衡", "few images": "图片太少",
    "backgrounds": "无框图片", "exposure": "曝光", "blur": "模糊", "shift": "划分差异",
}  # fmt: skip
"""Names of the findings in Chinese; the English ones are the keys."""
SUSPECTS: Final[Mapping[str, str]] = {
    "huge": "覆盖图片的 {badness:.0%}", "outside the image": "超出图片 {badness:.0f} 像素",
    "cut at the border": "与边界相接，只剩该类别通常边长的 {left:.0%}", "duplicated": "与同类别的另一个框 IoU {badness:.2f}",
    "overlapping another class": "与其他类别的框 IoU {badness:.2f}",
}  # fmt: skip
"""What is suspicious of a label, in Chinese; of other kinds the record's text is sizes alone."""
