"""Sentences of the reasons of a grade, English and Chinese: each with numbers and what to do."""

from collections.abc import Mapping
from typing import Final

ENGLISH: Final[Mapping[str, str]] = {
    "images": "{count} of {total} images of {split} ({share:.1%}) {text}",
    "boxes": "{count} of {total} boxes of {split} ({share:.1%}) {text}",
    "named": "{names} and {more} more",
    "duplicates": "are copies or near copies of others in it, which add little; remove them",
    "leakage": "are copies or near copies of images of {other}, so that metrics on {split} are too high; "
    "keep each image in one split",
    "absent train": "{split} has no box of {count} classes ({names}), which cannot be learned; label images with them",
    "absent": "{split} has no box of {count} classes ({names}), which cannot be evaluated; label images with them",
    "few train": "{split} has fewer than {least} boxes of {count} classes ({names}), too few to learn them; add some",
    "few": "{split} has fewer than {least} boxes of {count} classes ({names}), too few for a reliable score; add some",
    "unusable": "are not used: {unreadable} are unreadable, {left_out} have invalid label lines; repair or remove them",
    "suspicious labels": "have suspicious labels (side below {side:g} px, huge, duplicated, cut, outside, or on a box "
    "of another class); mend them, the data report pictures the worst",
    "tiny boxes": "are smaller than {tiny:g} px at image size {imgsz}, one cell of the finest grid; raise imgsz, or "
    "cut the images into tiles",
    "imbalance": "train has {ratio:.0f} times as many boxes of {most} ({boxes}) as of {fewest} ({fewest_boxes}); "
    "add images with {fewest}",
    "few images": "train has {count} images, fewer than {least}; add images",
    "backgrounds": "have no box; label them, or remove some if no box is missing",
    "exposure": "are very dark or very bright; check the exposure",
    "blur": "are much less sharp than the others; check the focus",
    "shift": "the median brightness is {one_median:.0f} in {one} and {other_median:.0f} in {other}, so that the splits "
    "look different; draw both from the same images at random",
}

CHINESE: Final[Mapping[str, str]] = {
    "images": "{split} 的 {total} 张图片中有 {count} 张（{share:.1%}）{text}",
    "boxes": "{split} 的 {total} 个框中有 {count} 个（{share:.1%}）{text}",
    "named": "{names} 等另 {more} 个",
    "duplicates": "与同一划分中的其他图片相同或近似，作用很小；请删除",
    "leakage": "与 {other} 中的图片相同或近似，使 {split} 上的指标偏高；每张图片只留在一个划分",
    "absent train": "{split} 中有 {count} 个类别没有框（{names}），无法学习；请标注含这些类别的图片",
    "absent": "{split} 中有 {count} 个类别没有框（{names}），无法评估；请标注含这些类别的图片",
    "few train": "{split} 中有 {count} 个类别的框少于 {least} 个（{names}），不足以学习；请补充",
    "few": "{split} 中有 {count} 个类别的框少于 {least} 个（{names}），得分不可靠；请补充",
    "unusable": "未被使用：{unreadable} 张不可读，{left_out} 张有无效的标注行；请修复或删除",
    "suspicious labels": "的标注可疑（边长小于 {side:g} 像素、过大、重复、被截断、超出图片，"
    "或与其他类别的框重合）；请修正",
    "tiny boxes": "在图像尺寸 {imgsz} 下小于 {tiny:g} 像素，即最细网格的一格；请增大 imgsz，或将图片切块",
    "imbalance": "train 中 {most} 的框（{boxes} 个）是 {fewest}（{fewest_boxes} 个）的 {ratio:.0f} 倍；"
    "请补充含 {fewest} 的图片",
    "few images": "train 只有 {count} 张图片，少于 {least}；请补充图片",
    "backgrounds": "没有框；请标注，若没有遗漏则删除一部分",
    "exposure": "过暗或过亮；请检查曝光",
    "blur": "比其他图片模糊得多；请检查对焦",
    "shift": "{one} 的亮度中位数为 {one_median:.0f}，{other} 为 {other_median:.0f}，各划分看起来不同；"
    "请从同一批图片中随机划分",
}
