"""Chinese names and advice of the findings, and names of their evidence; findings themselves are English records."""

import re
from collections.abc import Mapping
from typing import Final

from markupsafe import Markup, escape

from automl.study.text import one_line
from automl.tracking.diagnosis.finding import Finding

FINDINGS: Final[Mapping[str, tuple[str, str]]] = {
    "loss oscillates": ("损失振荡", "降低学习率 lr0，延长预热 warmup_epochs，或增大 batch 或 nbs"),
    "one loss oscillates": ("单个损失分量振荡", "降低该分量的权重（box、cls、dfl）或学习率 lr0"),
    "collapsed": ("训练崩溃", "降低学习率 lr0（通常降到十分之一），延长预热 warmup_epochs"),
    "overfitting": ("过拟合", "增加数据或数据增强，增大 weight_decay，减少轮次，或改用较小的模型"),
    "box loss slow": ("框损失下降缓慢", "检查标注框是否松散或偏移；提高学习率 lr0 或权重 box"),
    "plateau": ("停滞", "提高学习率 lr0，减少冻结的层；若结果已足够好，则减少轮次"),
    "nothing learned": ("什么也没学到", "提高学习率 lr0，增加轮次，使用预训练权重；检查标注与图像是否对应"),
    "augmentation without effect": (
        "数据增强无效",
        "查看 TensorBoard 中的图片 input/augmented，检查是什么替换了变换或数据加载",
    ),
    "mosaic closed": (
        "马赛克从未启用",
        "降低 close_mosaic；若不需要马赛克，则设 mosaic 为 0；基线是普通 yolo train，只能增大 ladder.max_epochs",
    ),
    "mosaic closes early": ("马赛克过早关闭", "降低 close_mosaic；若不需要马赛克，则设 mosaic 为 0"),
    "objects made tiny": ("目标被缩得过小", "降低 scale 或 mosaic，或增大 imgsz"),
    "slower than probed": (
        "比探测时慢",
        "查看该节点上还有什么占用 GPU、CPU 核心和磁盘（nvidia-smi、top）；若是同卡的试验，请增大 resources.gpus",
    ),
    "data loader slow": ("数据加载缓慢", "设置 cache，为每个试验增加 CPU 核心，或使用较小的图像"),
    "class suppressed": ("类别被压制", "检查该类别的标注，增加该类别的图像，增大 imgsz，或延长训练"),
    "small objects missed": ("小目标漏检", "增大 imgsz，使用带更细层级的模型，或把图像切块"),
    "low confidence": ("置信度过低", "以该阈值提供服务，或提高权重 cls 或轮次；特征已经学到"),
    "attention to background": (
        "把背景当作目标",
        "查看最严重的误检：若确有目标，则缺少标注；若没有，则加入无标注的背景图像",
    ),
    "not finite": ("数值非有限", "降低学习率 lr0，延长预热 warmup_epochs；若只有 GPU 训练失败，则设 amp 为 false"),
    "batch halved": ("批量减半", "为所有试验降低 batch 或 imgsz；此试验无法与其他试验比较"),
    "parameter without effect": ("参数没有作用", "在下一次搜索中固定该参数，把试验留给其他参数"),
    "best value at the edge": ("最佳值位于边界", "在下一次搜索中把该边界外移"),
    "budget too short for the ladder": ("预算不足以走完各级", "增加试验数，或提高 ladder.min_epochs"),
    "first rung ties": ("第一级全部持平", "提高 ladder.min_epochs，或使用预训练权重"),
    "first rung does not predict": ("第一级不能预测结果", "提高 ladder.min_epochs"),
    "threshold too high": ("阈值过高", "降低该类别的服务阈值，或延长训练使置信度稳定；特征已经学到"),
    "threshold too low": ("阈值过低", "提高该类别的服务阈值，或延长训练使置信度稳定；特征已经学到"),
    "objects without a box": (
        "目标没有框",
        "任何阈值都找不到：增加该类别的图像并检查标注，目标较小时增大 imgsz，延长训练或改用更大的模型",
    ),
    "classes confused": ("类别混淆", "检查两个类别中是否有同类目标的标注，增加较少类别的图像，或将二者合并"),
    "false detections at one place": (
        "误检集中于一处",
        "查看该位置：遮挡或裁掉始终存在的夹具或反光，或加入该位置的无标注图像",
    ),
    "duplicate boxes": ("重复框", "以较低的 iou 提供服务，或在 train 中设置该值"),
}
"""Name in English to name and advice in Chinese."""

EVIDENCE: Final[Mapping[str, str]] = {
    "share of the training loss": "占训练损失的比例",
    "map50, share of the best": "mAP50 与最佳值之比",
    "loss, share of the first": "损失占首轮的比例",
    "val loss before": "先前的验证损失",
    "val loss": "验证损失",
    "train loss before": "先前的训练损失",
    "train loss": "训练损失",
    "box fall": "框损失下降比例",
    "class fall": "类别损失下降比例",
    "1 - IoU": "框的偏差",
    "gain": "提升",
    "fall": "损失下降比例",
    "best": "最佳值",
    "map50": "mAP50",
    "unchanged share": "未改变的比例",
    "expected": "预期比例",
    "close_mosaic": "close_mosaic",
    "epochs": "轮次",
    "input share": "输入中的比例",
    "val share": "验证集中的比例",
    "wait share": "等待时间的比例",
    "AP50": "AP50",
    "recall at confidence 0.25": "置信度 0.25 处的召回率",
    "others": "其他类别",
    "share of boxes": "标注框占比",
    "recall small": "小目标召回率",
    "recall larger": "较大目标召回率",
    "best f1": "最佳 F1",
    "threshold": "阈值",
    "background share": "背景占比",
    "epochs before": "此前轮次",
    "epoch": "轮次",
    "share": "比例",
    "parameters": "参数个数",
    "value": "取值",
    "low": "下界",
    "high": "上界",
    "distance": "到边界的距离",
    "trials": "试验数",
    "needed": "所需试验数",
    "tied": "持平的试验数",
    "correlation": "秩相关",
    "served threshold": "服务阈值",
    "best threshold": "最佳阈值",
    "recall served": "服务阈值处的召回率",
    "recall best": "最佳阈值处的召回率",
    "precision served": "服务阈值处的精确率",
    "precision best": "最佳阈值处的精确率",
    "f1 served": "服务时的 F1",
    "f1 best": "最佳 F1",
    "f1 gain": "F1 提升",
    "boxes": "框数",
    "side": "边长中位数（像素）",
    "share of false": "占误检的比例",
    "images": "图像数",
    "x": "距左侧",
    "y": "距顶部",
    "served iou": "服务时的 IoU",
    "best iou": "最佳 IoU",
}
SWING: Final = "swing "
"""Begin of the evidence of an oscillation; the tag of the loss follows."""
SWING_CHINESE: Final = "振荡幅度"
NAME: Final = re.compile(r"(?<![A-Za-z])([a-z][a-z0-9_./]*)(?![A-Za-z0-9])")
"""A name of a setting or a tag in a Chinese text."""


def evidence(finding: Finding) -> Markup:
    """Return subject and numbers of a finding in Chinese.

    >>> str(evidence(Finding("plateau", "trial 1", 9, "", "", {"gain": 0.5, "share": 2}, subject="hole")))
    '<code>hole</code>：提升 0.5，比例 2'
    """
    parts = [Markup("{} {}").format(_key(key), f"{value:.3g}") for key, value in finding.evidence.items()]
    subject = Markup("<code>{}</code>：").format(one_line(finding.subject)) if finding.subject else Markup("")
    return subject + Markup("，").join(parts)


def coded(text: str) -> Markup:
    """Return a Chinese text with its names of settings as code.

    >>> str(coded("降低 lr0"))
    '降低 <code>lr0</code>'
    """
    parts = [
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(NAME.split(text))
    ]
    return Markup("").join(parts)


def _key(key: str) -> Markup:
    if key.startswith(SWING):
        return Markup("{} <code>{}</code>").format(SWING_CHINESE, key.removeprefix(SWING))
    return coded(EVIDENCE[key]) if key in EVIDENCE else Markup("<code>{}</code>").format(key)
