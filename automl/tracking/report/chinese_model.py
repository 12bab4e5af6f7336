"""Chinese strings of the report on the model that ships; as `chinese`."""

from collections.abc import Mapping
from typing import Final

CHINESE_MODEL: Final[Mapping[str, str]] = {
    "f1_short": "F1",
    "served_line": "服务阈值",
    "working": "阈值：在何种置信度下能找到什么",
    "working_text": "在 {split} 的 {images} 张图像上，IoU 0.50，按交付模型保存的检测结果计算。"
    "阈值是检测框的最低置信度。{served}最佳阈值是在这些图像上从 0.001 至 0.999 中 F1 最高者，"
    "因此其 F1 略偏乐观。",
    "working_recorded": "按评估记录，服务输出置信度高于 {threshold} 的框。",
    "working_default": "服务输出置信度高于 {threshold} 的框；评估记录未给出阈值，此为服务的默认值。",
    "at_served": "{threshold} 处的{metric}",
    "at_best": "最佳处的{metric}",
    "best_threshold": "最佳阈值",
    "ceiling": "全部框的召回率",
    "alone": "没有框的目标",
    "working_ceiling": "“全部框的召回率”计入任意置信度的框：再降低阈值也不会找到更多。“没有框的目标”在 IoU 0.50 "
    "下没有被任何类别的框覆盖：任何阈值都找不到，只能靠数据、特征或更大的图像尺寸。",
    "confusion": "混淆矩阵",
    "confusion_text": "在 {split} 上，置信度高于服务阈值 {threshold} 的框，IoU 0.50。列为真实类别，行为检测结果。"
    "每格：数量及其占该列的比例（最后一列为占该行的比例）。",
    "confusion_most": "显示目标最多的 {most} 个类别，共 {all} 个。",
    "predicted_true": "检测 \\ 真实",
    "background": "背景",
    "not_found": "未找到",
    "errors": "最严重的错误",
    "errors_text": "在 {split} 上，服务阈值 {threshold}：误检框 {false} 个，漏检目标 {missed} 个。"
    "各类别轮流列出最严重者，每张图像最多 {each} 个。",
    "errors_legend": '框的含义：<span class="key truth">标注</span> <span class="key found">检测</span> <span '
    'class="key false">误检框</span> <span class="key missed">漏检目标</span>',
    "errors_none": "保存的检测结果没有框（由较早版本写入），因此没有混淆矩阵和图像切片。重新测量模型即可看到。",
    "errors_away": "有 {count} 张含错误的图像目前无法读取（数据集不在，或文件无法解码），因此缺少其切片。",
    "errors_false": "误检框，按置信度从高到低",
    "errors_missed": "漏检目标，从未找到者在前",
    "errors_clean": "无",
    "false.background": "背景，此处没有目标",
    "false.class": "其他类别的目标",
    "false.again": "已找到目标的重复框",
    "false.loose": "目标附近，IoU 低于 0.50",
    "false.background.text": "此处没有目标",
    "false.class.text": "实为 {name}",
    "false.again.text": "{name} 的重复框",
    "false.loose.text": "与 {name} 的 IoU 为 {iou}",
    "missed.low": "置信度 {conf}，低于阈值",
    "missed.covered": "被检为其他类别，或其框属于相邻目标",
    "missed.never": "任何置信度下都没有框",
    "picture_of": "此训练最后的图片 {tag}",
    "gate_of": "{what}：{measure}{at}，相对权重",
    "gate_at": "（阈值 {threshold}）",
    "gate_target": "目标 <code>{name}</code>",
    "measure.objective": "目标指标",
    "measure.F1": "F1",
    "measure.precision": "精确率",
    "measure.recall": "召回率",
    "measure.class recall": "类别召回率的最低值",
    "measure.confidence": "平均置信度",
    "measure.built": "已生成并测量",
}
