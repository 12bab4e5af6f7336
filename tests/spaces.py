"""Random search spaces and params for property tests."""

from hypothesis import strategies as st

from automl.study import ParamValue
from automl.study.space import Alternatives, Choice, Integer, Parameter, Real, SearchSpace, Single, When, live

VALUES: list[ParamValue] = ["a", "b", 1, 2.5, False]


@st.composite
def reals(draw: st.DrawFn, when: When) -> Real:
    scaled = draw(st.booleans())
    low = draw(st.floats(1e-6, 10))
    high = low * draw(st.floats(1.01, 1e4))
    low = low if scaled else low - draw(st.sampled_from([0.0, 20.0]))
    return Real(low, high, draw(st.floats(low, high)), scaled, when)


@st.composite
def integers(draw: st.DrawFn, when: When) -> Integer:
    scaled = draw(st.booleans())
    least = draw(st.integers(1 if scaled else -50, 50))
    most = least + draw(st.integers(0, 200))
    return Integer(least, most, draw(st.integers(least, most)), scaled, when)


@st.composite
def singles(draw: st.DrawFn, when: When) -> Single:
    kind = draw(st.sampled_from(["real", "integer", "choice"]))
    if kind == "choice":
        choices = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=4, unique=True))
        return Choice(tuple(choices), draw(st.sampled_from(choices)), when)
    return draw(integers(when)) if kind == "integer" else draw(reals(when))


@st.composite
def alternatives(draw: st.DrawFn, parent: str, values: tuple[ParamValue, ...]) -> Alternatives:
    """Return one range for each of some values of a parent."""
    held = draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
    if draw(st.booleans()):
        return Alternatives(tuple(draw(reals({parent: (value,)})) for value in held))
    return Alternatives(tuple(draw(integers({parent: (value,)})) for value in held))


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Return any space of up to six parameters; conditions may stand on conditions."""
    found: dict[str, Parameter] = {}
    for number in range(draw(st.integers(1, 6))):
        owners = {name: kind for name, kind in found.items() if isinstance(kind, Choice)}
        shape = draw(st.sampled_from(["free", "conditional", "alternatives"])) if owners else "free"
        owner = draw(st.sampled_from(sorted(owners))) if owners else ""
        if shape == "alternatives":
            found[f"p{number}"] = draw(alternatives(owner, owners[owner].choices))
            continue
        when: dict[str, tuple[ParamValue, ...]] = {}
        if shape == "conditional":
            when[owner] = tuple(draw(st.lists(st.sampled_from(owners[owner].choices), min_size=1, unique=True)))
        found[f"p{number}"] = draw(singles(when))
    return SearchSpace(found)


@st.composite
def params_of(draw: st.DrawFn, space: SearchSpace) -> dict[str, ParamValue]:
    """Return params of a space, drawn one after the other."""
    params: dict[str, ParamValue] = {}
    for name, parameter in space.parameters.items():
        part = live(parameter, params)
        if isinstance(part, Choice):
            params[name] = draw(st.sampled_from(part.choices), label=name)
        elif isinstance(part, Integer):
            params[name] = draw(st.integers(part.low, part.high), label=name)
        elif part:
            params[name] = draw(st.floats(part.low, part.high), label=name)
    return params
