"""What a model's tokenizer makes of each class of script, learnt from the tokens that its provider reports."""

from collections.abc import Mapping
from math import exp, isfinite, log
from operator import mul

import msgspec

from core.conversation.tokens import CLASSES, Units, estimate

_UNSURE = {
    "english": 0.02,
    "latin": 0.05,
    "cyrillic": 0.3,
    "arabic": 0.6,
    "indic": 1.0,
    "han": 0.2,
    "kana": 0.2,
    "emoji": 0.2,
    "digits": 0.3,
    "marks": 0.02,
    "messages": 0.1,
}
"""Variance of a factor's logarithm before anything was seen. Vocabularies agree on English within some 15 %, and
differ on Devanagari by three times."""
_PRIOR: Units = tuple(_UNSURE[name] for name in CLASSES)
_WIDEST = 1.0
_NOISE = 0.01
"""Variance of a report around a perfect estimate: texts of one script differ by some 10 %."""
_DRIFT = 1e-4
"""Share of the first variance which comes back with each report: old ones fade."""
_ODD = 3
"""Standard deviations from which on a report is odd: it moves nothing, but after several of them the next one does."""
_LOWEST, _HIGHEST = 0.2, 6.0
_EVERY = 10
"""Of so many reports on a model that is well known one is looked at: measuring a prompt costs more than the rest."""
MOST_MODELS = 200
"""Names that servers may call their models by; one that makes up a new one each time is not followed."""
_UNBELIEVABLE = log(8)
"""A report further off than this counts something else than the prompt."""


class Calibration(msgspec.Struct, frozen=True):
    """One factor a class, and how unsure each is. A value: `observe` gives the next one.

    Recursive least squares on logarithms, with a variance a class instead of a covariance matrix: a class that is
    well known stands firm, and the one that is not takes the correction."""

    factors: Units = (1.0,) * len(CLASSES)
    variances: Units = _PRIOR
    seen: int = 0
    """Reports taken in."""

    def __post_init__(self) -> None:
        if not len(self.factors) == len(self.variances) == len(CLASSES):
            raise ValueError(f"expected {len(CLASSES)} factors and variances")
        if not all(_LOWEST <= factor <= _HIGHEST for factor in self.factors):
            raise ValueError(f"factors lie between {_LOWEST} and {_HIGHEST}")
        if not all(0 <= variance <= _WIDEST for variance in self.variances):
            raise ValueError(f"variances lie between 0 and {_WIDEST}")

    @property
    def is_settled(self) -> bool:
        """Enough was seen that one report in ten will do from here on."""
        return self.seen >= 30

    def count(self, text: str) -> int:
        """Tokens of a text for this model, without what surrounds it as a message."""
        return estimate(text, self.factors)

    def tokens(self, units: Units) -> float:
        """Tokens of something already measured."""
        return float(sum(map(mul, units, self.factors)))

    def observe(self, units: Units, reported: float) -> "Calibration":
        """What is known after the provider reported so many tokens for a prompt (`tokens.measure_prompt`).

        A report that cannot be about this prompt changes nothing."""
        parts = tuple(map(mul, units, self.factors))
        expected = sum(parts)
        if not (isfinite(reported) and reported > 0 and isfinite(expected) and expected > 0):
            return self
        error = log(reported / expected)
        if abs(error) > _UNBELIEVABLE:
            return self
        shares = [part / expected for part in parts]
        pulls = [variance * share for variance, share in zip(self.variances, shares, strict=True)]
        spread = _NOISE + sum(map(mul, pulls, shares))
        is_odd = abs(error) > _ODD * spread**0.5
        step = 0.0 if is_odd else error / spread
        factors = (
            max(_LOWEST, min(factor * exp(pull * step), _HIGHEST))
            for factor, pull in zip(self.factors, pulls, strict=True)
        )
        variances = (
            min(_WIDEST, 2 * variance if is_odd else variance - pull * pull / spread + _DRIFT * before * (share > 0))
            for variance, pull, share, before in zip(self.variances, pulls, shares, _PRIOR, strict=True)
        )
        return Calibration(tuple(factors), tuple(variances), self.seen + 1)


class Calibrations:
    """Of all models, shared by whoever asks them, and kept over a restart as JSON."""

    def __init__(
        self, known: Mapping[str, Calibration] | None = None, answering: Mapping[str, str] | None = None
    ) -> None:
        self._known = dict(known or {})
        """By what the server calls the model."""
        self._reports = 0
        self._answering = dict(answering or {})
        """Model as the configuration calls it -> what answered last: a fallback may stand in for it."""

    def of(self, model: str) -> Calibration:
        """How the model of this name in the configuration counts, as far as known."""
        return self._known.get(self._answering.get(model, ""), _FRESH)

    def answered(self, model: str) -> str:
        """What answered last for the model of this name, as its server calls it; empty before the first answer."""
        return self._answering.get(model, "")

    def wants(self, model: str) -> bool:
        """Whether the next report on it is worth measuring a prompt for: each at first, then one in ten."""
        self._reports += 1
        return not self.of(model).is_settled or self._reports % _EVERY == 0

    def learn(self, model: str, answered: str, units: Units, reported: float) -> None:
        """The model of this name was asked, and the one that its server calls `answered` read so many tokens."""
        if answered not in self._known and len(self._known) >= MOST_MODELS:
            return
        self._known[answered] = self._known.get(answered, _FRESH).observe(units, reported)
        self._answering[model] = answered

    def encode(self) -> bytes:
        return msgspec.json.encode(_Stored(self._known, self._answering))

    @classmethod
    def decode(cls, stored: bytes | str | None) -> "Calibrations":
        """What was stored; fresh ones where there is nothing, or nothing of use."""
        if not stored:
            return cls()
        try:
            found = _decode(stored)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return cls()
        return cls(found.known, found.answering)


class _Stored(msgspec.Struct, frozen=True):
    known: dict[str, Calibration]
    answering: dict[str, str]


_FRESH = Calibration()
_decode = msgspec.json.Decoder(_Stored).decode
