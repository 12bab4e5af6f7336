"""Texts of the page on data."""

from typing import Final

from automl.apps.web.texts import Table

DATA: Final[Table] = {
    "title": ("Data", "数据"),
    "import": ("Import", "导入"),
    "name": ("Name of the data set", "数据集名称"),
    "classes": ("Class names", "类别名称"),
    "classes text": (
        "Separated by commas; only for pictures without labels",
        "用逗号分隔；仅用于没有标注的图片",
    ),
    "split": ("Percent of train, val, test", "训练、验证、测试的百分比"),
    "split text": ("Empty: the splits of the source", "留空则用来源的划分"),
    "upload": ("Drop pictures or an archive (zip, tar) here", "将图片或压缩包（zip、tar）拖到此处"),
    "limits": (
        "Up to {mb} MB in all; an interrupted upload continues. YOLO, COCO, Pascal VOC, CVAT, Label Studio, or pictures alone.",
        "总计最多 {mb} MB；中断的上传可继续。支持 YOLO、COCO、Pascal VOC、CVAT、Label Studio，或仅图片。",
    ),
    "folder": ("Or a folder on the server", "或服务器上的文件夹"),
    "roots": ("Folders below: {roots}", "允许的位置：{roots}"),
    "start": ("Import", "导入"),
    "report": ("Report", "报告"),
    "check": ("Check", "检查"),
    "train": ("Train on it", "用它训练"),
    "grade": ("Grade {grade}", "等级 {grade}"),
    "sets": ("Data sets", "数据集"),
    "images": ("Images", "图片"),
    "open labels": ("Labels", "标注"),
    "working": ("Working …", "处理中……"),
    "done": ("{images} images, {boxes} boxes of {classes} classes", "{images} 张图片，{boxes} 个框，{classes} 个类别"),
    "received": ("{name}: {mb} MB received", "{name}：已接收 {mb} MB"),
    "finding.duplicates": ("copies within a split", "同一划分中有重复图片"),
    "finding.leakage": ("copies in two splits", "不同划分中有重复图片"),
    "finding.coverage": ("classes without enough boxes", "有的类别框数不足"),
    "finding.unusable": ("unusable images", "有无法使用的图片"),
    "finding.suspicious labels": ("suspicious labels", "有可疑标注"),
    "finding.tiny boxes": ("tiny boxes", "目标过小"),
    "finding.imbalance": ("classes out of balance", "类别不均衡"),
    "finding.few images": ("few images", "图片太少"),
    "finding.backgrounds": ("images without a box", "无框图片过多"),
    "finding.exposure": ("very dark or bright images", "图片过暗或过亮"),
    "finding.blur": ("blurred images", "图片模糊"),
    "finding.shift": ("splits that look different", "各划分亮度不同"),
    "name text": ("Letters, digits, . _ -", "字母、数字、. _ -"),
}
