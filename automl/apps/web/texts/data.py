"""Texts of the page on data."""

from typing import Final

from automl.apps.web.texts import Table

DATA: Final[Table] = {
    "title": ("Data", "数据"),
    "import": ("Import", "导入"),
    "name": ("Name of the data set", "数据集名称"),
    "classes": (
        "Class names, separated by commas (for pictures without labels)",
        "类别名称，用逗号分隔（用于没有标注的图片）",
    ),
    "split": (
        "Percent of train, val, test (empty: those of the source)",
        "训练、验证、测试的百分比（留空则用来源的划分）",
    ),
    "upload": ("Drop pictures or an archive (zip, tar) here", "将图片或压缩包（zip、tar）拖到此处"),
    "limits": (
        "Up to {mb} MB in all; an interrupted upload continues. YOLO, COCO, Pascal VOC, CVAT, Label Studio, or pictures alone.",
        "总计最多 {mb} MB；中断的上传可继续。支持 YOLO、COCO、Pascal VOC、CVAT、Label Studio，或仅图片。",
    ),
    "folder": ("Or a folder on the server", "或服务器上的文件夹"),
    "roots": ("Folders below: {roots}", "允许的位置：{roots}"),
    "start": ("Import", "导入"),
    "report": ("Report", "报告"),
    "grade": ("Grade {grade}", "等级 {grade}"),
    "sets": ("Data sets", "数据集"),
    "images": ("Images", "图片"),
    "open labels": ("Labels", "标注"),
    "working": ("Working …", "处理中……"),
    "done": ("{images} images, {boxes} boxes of {classes} classes", "{images} 张图片，{boxes} 个框，{classes} 个类别"),
    "received": ("{name}: {mb} MB received", "{name}：已接收 {mb} MB"),
    "name text": ("Letters, digits, . _ -", "字母、数字、. _ -"),
}
