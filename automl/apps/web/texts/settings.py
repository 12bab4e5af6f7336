"""Chinese documentation of the description's keys under "more"; the English one is in the schema."""

from collections.abc import Mapping
from typing import Final

SETTINGS: Final[Mapping[str, str]] = {
    "budget.trials": "试验数，包括基线。",
    "budget.hours": "搜索的总用时，不计中断；null 为不限。单位：小时。",
    "budget.gpu_hours": "所有试验的训练用时乘以每个试验的 GPU 数（无 GPU 时乘以 1）之和；null 为不限。单位：GPU 小时。",
    "budget.total_hours": "整个研究的总用时，不计中断。搜索会提前结束，以便完成最少次数的重新训练，另留 5% 用于导出；"
    "null 为不限。单位：小时。",
    "budget.min_gain_per_hour": "若再搜索一小时的预期提升低于此值，搜索也会结束；null 为不使用。单位：目标值，0 到 1。",
    "ladder.min_epochs": "第一个筛选级的轮次，不超过最大轮次。留空时：从权重开始的模型为 3，否则为 6。"
    "从随机权重开始时应不少于最长预热的两倍。单位：轮次。",
    "ladder.max_epochs": "一次完整训练的长度。单位：轮次。",
    "ladder.reduction_factor": "每这么多个试验中有一个晋级；每一级的轮次是前一级的这么多倍。除第一级外，训练后半段没有筛选级。",
    "ladder.scheduler": "promotion：试验在每级暂停，最好的继续；stopping：试验继续或终止。",
    "ladder.validate_every": "试验在此数的倍数轮次、各筛选级和最后一轮进行验证；重新训练每轮都验证。单位：轮次。",
    "confirm.seeds": "数字：最佳试验和基线各自的随机种子数，只比较一次；0 为不重新训练；不能为 1。",
    "confirm.finalists": "候选试验的最大数目；auto：与最佳结果的差距在噪声以内者，按 retrainings 最多 3 个（少于 24 时仅最佳者，48 起为 3 个）。设为数字时需要种子数为 auto。",
    "confirm.retrainings": "完整训练的最大次数，不少于种子数的两倍；auto：搜索预期成本的三倍，6 到 48 次；6 次以上的部分平均约用三分之一。"
    "研究结束后可以调高，随后继续确认。单位：次。",
    "confirm.split": "用于评估候选试验、基线和交付模型的划分；没有 test 划分的数据为 val。",
    "gates.policy": "与当前模型的比较。proven：差值的下界须超过最小提升；expected：差值本身须超过。"
    "两个模型都以 ONNX 文件在相同图片上评估。",
    "gates.min_gain": "须超过当前模型的提升，也是判定参数更好的标准。单位：目标值，0 到 1。",
    "gates.confidence": "单侧下界的置信水平。",
    "gates.max_export_loss": "ONNX 或 engine 相对权重的最大损失。单位：目标值，0 到 1。",
    "gates.require_engine": "若 engine 未在本机生成并评估，则拒绝该模型。",
    "gates.max_threshold_loss": "在服务阈值下，ONNX 和各目标相对权重的 F1 最大损失（按差值的下界）；"
    "也适用于准确率和检出率（按差值本身）。单位：0 到 1。",
    "gates.max_class_recall_loss": "在服务阈值下，至少有 20 个框的类别的检出率最大损失。单位：0 到 1。",
    "gates.max_drift": "真实框平均置信度的最大变化。单位：0 到 1。",
    "gates.max_champion_recall_loss": "至少有 20 个框的类别相对当前模型的检出率最大损失，两个模型各用自己的服务阈值，"
    "在评判划分上比较；1 为不限。单位：0 到 1。",
    "gates.max_forgetting": "在每个早期数据集上相对当前模型的最大损失：策略为 proven 时按差值的下界，"
    "为 expected 时按差值本身。单位：目标值，0 到 1。",
    "resources.gpus": "每个试验的 GPU 数；小于 1 时试验共用一个 GPU；2 及以上的整数为同一节点上的多个 GPU，每个训练每批的相等部分。auto：在首个试验前对每种模型、图像尺寸和批量探测，取总吞吐最高的份额；集群没有 GPU 时为 0。单位：GPU。",
    "resources.cpus": "每个试验的核心数。auto：节点的核心数除以 GPU 数；没有 GPU 时为 1。单位：CPU 核心。",
    "resources.concurrent": "同时运行的最大试验数；auto：集群当前能容纳的数目。数字大于当前能容纳的数目时，多一个试验在 Ray 中等待，使自动扩缩器增加节点。",
    "resources.memory_gb": "每个试验的内存，由 Ray 在每个节点上计算；null 为不计算。单位：GB（10^9 字节）。",
    "resources.retries": "试验进程终止或停滞后，在同一轮次连续重试的次数；丢失的节点不计入。",
    "resources.own_retries": "训练出现可能是暂时的错误后的重试次数。",
    "resources.local_copy": "每个节点是否把数据集复制一次到自己的磁盘（缓存文件夹 AUTOML_CACHE），供其上所有试验使用；"
    "auto：图像位于网络文件系统时复制。",
    "resources.local_copy_gb": "每个节点上所有副本的总大小上限；最久未用的先删除。放不下的数据集就地读取。单位：GB。",
    "resources.hung_minutes": "心跳超时，之后试验在其他工作进程上继续；也是一轮的最短时限。单位：分钟。",
    "retention.keep": "保留权重的最佳已结束试验数；其余试验只保留曲线、参数和日志。单位：个。",
    "retention.quota_gb": "研究文件夹的最大容量；接近时结束最差的暂停试验。null 为不限。单位：GB（10^9 字节）。",
    "contract.max_miss_rate": "漏检缺陷的最大比例。单位：0 到 1。",
    "contract.max_overkill_rate": "误判的最大比例；服务阈值取在 val 上满足它的最低值。单位：0 到 1。",
    "contract.per": "image：有框的图片没有任何检出即为漏检，无框的图片有检出即为误判；"
    "box：IoU 0.50 下没有同类检出的框为漏检，未匹配的检出为误判。",
    "contract.confidence": "上界的置信水平。",
    "contract.stop": "一旦某个训练到最后一轮的试验在 val 上满足约定，搜索即结束；"
    "目标指标须为 miss_rate，且误判比例不超过此约定。",
}
"""Dotted key to text."""
