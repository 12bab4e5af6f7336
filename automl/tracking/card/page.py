"""Model card of a version: Markdown from the verdict, the lineage and the metrics that are published with it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from automl.storage.layout import CONTRACT, ONNX, SBOM
from automl.study import Latency
from automl.study.text import label, one_line, shell_line
from automl.study.verdict import Verdict
from automl.tracking.card.chinese import CHINESE
from automl.tracking.card.english import ENGLISH
from automl.tracking.card.gate_names import chinese
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.report.chinese_findings import FINDINGS
from automl.tracking.report.language import Language

TABLES: Final[Mapping[Language, Mapping[str, str]]] = {
    Language.EN: ENGLISH,
    Language.ZH: CHINESE,
}
SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~])")
"""Characters that Markdown or a table of it would interpret."""
MISSING: Final = "\N{EN DASH}"
FEW_BOXES: Final = 30
"""Boxes of a class below which its values are called rough: an interval of a recall of 0.9 is then 0.2 wide."""
FEW_IMAGES: Final = 100
PACKAGES: Final = ("ultralytics", "torch", "onnx", "onnxruntime", "ray", "optuna", "numpy", "opencv-python")
"""Packages that the card names; the bill of materials has all."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card is written from."""

    name: str
    number: int
    verdict: Verdict
    lineage: Mapping[str, Any]
    metrics: Mapping[str, Any]
    contract: Mapping[str, Any] | None
    findings: Sequence[Finding]


@dataclass(frozen=True, slots=True)
class Words:
    """Strings of the card in one language."""

    language: Language

    def __call__(self, key: str, /, **values: object) -> str:
        """Return a string; texts that are filled in are escaped, unless they are code already."""
        return TABLES[self.language][key].format(**{name: _filled(value) for name, value in values.items()})

    def gate(self, name: str) -> str:
        """Return the name of a gate."""
        return text(name) if self.language is Language.EN else chinese(name) or code(name)

    def rule(self, name: str) -> str:
        """Return the name of a rule of the diagnosis."""
        if self.language is Language.EN:
            return text(name)
        return FINDINGS[name][0] if name in FINDINGS else code(name)


class Code(str):
    """Markdown that is not escaped again."""

    __slots__ = ()


def text(value: object) -> str:
    r"""Return a text as one line of Markdown.

    >>> text("a|b*\n")
    'a\\|b\\*\\\\n'
    """
    return SPECIAL.sub(r"\\\1", one_line(str(value)))


def code(value: object) -> Code:
    """Return a value as code; of a path the file's name.

    >>> code("/weights/yolo11n.pt"), code("a`b|c")
    ('`yolo11n.pt`', "`a'b/c`")
    """
    if isinstance(value, Code):
        return value
    plain = label(value) if isinstance(value, str) else value
    return Code("`" + one_line(str(plain)).replace("`", "'").replace("|", "/") + "`")


def _filled(value: object) -> object:
    return text(value) if isinstance(value, str) and not isinstance(value, Code) else value


def rendered(facts: Facts, language: Language) -> str:
    """Return the card of a version in a language."""
    t, lineage = Words(language), facts.lineage
    environment = lineage["environment"]
    return _environment().get_template("card.md.j2").render(
        t=t,
        facts=facts,
        verdict=facts.verdict,
        lineage=lineage,
        classes=list(facts.verdict.names.items()),
        model=code(lineage["training"]["model"]["name"]),
        study=code(facts.verdict.study),
        training=code(lineage["training"]["name"]),
        splits=lineage["data"]["splits"],
        environment=environment,
        packages=_packages(environment["packages"], t) if environment else "",
        sbom=code(SBOM),
        metrics=facts.metrics["metrics"],
        images=facts.metrics["images"],
        by_class=_by_class(facts.metrics["classes"]),
        weaknesses=list(_weaknesses(facts, t)),
        contract=facts.contract,
        timings=list(_timings(facts.verdict)),
        contract_file=CONTRACT,
        commands=_commands(facts.name, facts.number),
        number=_number,
        quoted=code,
    )  # fmt: skip


def _timings(verdict: Verdict) -> Iterator[tuple[str, str, Latency]]:
    """Yield file, key of the part and latency of what was timed."""
    if verdict.onnx_cost:
        yield ONNX, "timed_model", verdict.onnx_cost.latency
        if verdict.onnx_cost.end_to_end:
            yield ONNX, "timed_whole", verdict.onnx_cost.end_to_end
    yield from ((one.name, "timed_whole", one.end_to_end) for one in verdict.targets if one.end_to_end)


def marked(words: Words, overrides: Iterable[Mapping[str, Any]], signatures: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the lines on a card that were not known when it was written: overrides of its gates, signatures."""
    lines = []
    for entry in overrides:
        lines.append(f"> **{words('overridden', by=code(entry['by']), at=code(entry['at']), why=entry['why'])}**")
        lines += [
            ">",
            f"> {words('overridden_gates', gates=Code(words('semicolon').join(map(code, entry['refused']))))}",
            "",
        ]
    for signature in signatures:
        values = {name: code(signature[name]) for name in ("at", "by", "key")}
        lines += [f"> {words('signed', **values)}", ""]
    return lines


@cache  # with it a template that was compiled
def _environment() -> Environment:
    environment = Environment(  # Markdown, not HTML: names are escaped by `text` and `code`
        loader=PackageLoader("automl.tracking"), autoescape=False, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters.update(text=text, code=code)
    return environment


def _number(value: float | None, *, sign: str = "", digits: int = 4) -> str:
    return MISSING if value is None else f"{value:{sign}.{digits}f}"


def _packages(held: Mapping[str, str], t: Words) -> Code:
    return Code(t("comma").join(code(f"{name} {held[name]}") for name in PACKAGES if name in held))


def _by_class(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores with the classes from the weakest on, all together first."""
    return dict(sorted(scores.items(), key=lambda item: (item[0] != "", item[1]["ap50_95"])))


def _commands(name: str, number: int) -> dict[str, str]:
    return {
        "use_serve": shell_line("automl", "serve", name, "--version", number),
        "use_export": shell_line("automl", "export", name, "model.onnx", "--version", number),
        "use_verify": shell_line("automl", "verify", name),
        "use_replay": shell_line("automl", "replay", f"{name}@{number}"),
    }


def _weaknesses(facts: Facts, t: Words) -> Iterator[str]:
    """Yield a line on each known weakness."""
    for gate in facts.verdict.gates:
        if not gate.passed:
            yield t("gate_failed", name=Code(t.gate(gate.name)))
    scores = {name: score for name, score in facts.metrics["classes"].items() if name}
    if len(scores) > 1:
        yield from _weak_classes(scores, facts.metrics["classes"][""]["ap50_95"], t)
    few = [text(name) for name, score in scores.items() if score["boxes"] < FEW_BOXES]
    if few:
        yield t("few_boxes", limit=FEW_BOXES, names=Code(t("comma").join(few)), split=code(facts.verdict.split))
    images = facts.metrics["images"]
    if images is not None and images < FEW_IMAGES:
        yield t("few_images", images=images)
    for finding in facts.findings:
        about = t("about", subject=code(finding.subject)) if finding.subject else ""
        key = "finding" if finding.epoch else "finding_ships"
        yield t(key, epoch=finding.epoch, name=Code(t.rule(finding.name)), about=Code(about))
    yield t("other_data")


def _weak_classes(scores: Mapping[str, Any], average: float, t: Words) -> Iterator[str]:
    weakest = min(scores, key=lambda name: scores[name]["ap50_95"])
    found = scores[weakest]
    yield t("weakest", name=weakest, value=found["ap50_95"], boxes=found["boxes"], average=average)
    missed = min(scores, key=lambda name: scores[name]["recall"])
    found = scores[missed]
    yield t("missed", name=missed, value=found["recall"], threshold=found["threshold"])
