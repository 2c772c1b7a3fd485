"""Encoders and classifiers by spec: what ``fisher:gaussians=64`` or ``local:k=500`` names, and its canonical text."""

from __future__ import annotations

from typing import Any, ClassVar

from hybridfer.errors import SpecError
from hybridfer.registry import Registry
from hybridfer.spec import FeatureSpec, format_value, parse_options, parse_spec

CLASSIFIERS = Registry(
    "classifiers",
    {
        "leastsquares": "hybridfer.classify.local_svm:LeastSquaresSVM",
        "local": "hybridfer.classify.local_svm:LocalSVM",
    },
)
"""What ``--classifier`` may put in the place of the SVM with a kernel."""


class Spelt:
    """An estimator that a spec names: a dataclass, so that its fields are the parameters of both."""

    given: ClassVar[tuple[str, ...]] = ()
    """Parameters that are no options of the spec: the program gives them."""

    def check(self) -> None:
        """Raise :class:`SpecError` where a parameter is out of range."""

    def require(self, good: bool, parameter: str, expected: str) -> None:
        """Raise :class:`SpecError` unless `good`: the value of `parameter` and what was expected of it."""
        if not good:
            value = format_value(getattr(self, parameter))
            raise SpecError(f"{type(self).__name__}: {parameter}={value} is out of range; expected {expected}.")


def create_estimator(registry: Registry, text: str, **given: Any) -> Any:
    """Return the estimator that a spec names, not fitted, with the parameters that are given to it.

    Raises
    ------
    SpecError
        If the name, an option or its value is unknown or out of range.
    """
    spec = parse_spec(text)
    if spec.layer is not None or spec.inner is not None:
        raise SpecError(f"{text!r} is none of the {registry.kind}; write name:key=value, as in {registry.names()[0]}.")
    kind = registry.load(spec.name)
    estimator = kind(**parse_options(kind, spec, kind.given), **given)
    estimator.check()
    return estimator


def estimator_spec(registry: Registry, text: str) -> str:
    """Return the canonical text of a spec: every option spelt out.

    Examples
    --------
    >>> estimator_spec(CLASSIFIERS, "local:k=300")
    'local:half=true,k=300,loss=squared'
    """
    estimator = create_estimator(registry, text)
    options = {k: format_value(value) for k, value in estimator.get_params().items() if k not in estimator.given}
    return str(FeatureSpec(parse_spec(text).name, None, options))
