"""How good speech sounds behind the switch, by PESQ; the whole curves are in docs/topics/sound.md."""

from __future__ import annotations

import pytest

from softswitch.media.engine import Codec
from tests.media.carried import carry, encoded, nothing
from tests.media.impairment import Impairment
from tests.media.speech import missing, speech

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "")

RATES = {Codec.PCMU: 8000, Codec.PCMA: 8000, Codec.G722: 16_000, Codec.OPUS: 16_000}


def heard(codec: Codec, how: Impairment, **options: object) -> float:
    said = speech(RATES[codec])
    return score(codec, carry(encoded(said, codec), codec, how, **options).pcm)  # type: ignore[arg-type]


def score(codec: Codec, pcm: object) -> float:
    from pesq import pesq

    rate = RATES[codec]
    return float(pesq(rate, speech(rate), pcm, "nb" if rate == 8000 else "wb"))


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.PCMA])
def test_g711_passed_through_or_mixed_is_as_good_as_g711_can_be(codec: Codec) -> None:
    coding = score(codec, nothing(encoded(speech(8000), codec), codec, Impairment()))
    assert coding >= 4.25  # 4.43 in mu-law, 4.27 in A-law
    assert heard(codec, Impairment(), to=codec) >= coding - 0.05
    assert heard(codec, Impairment(), to=codec, alone=False) >= coding - 0.05


@pytest.mark.parametrize("codec", [Codec.G722, Codec.OPUS])
def test_wide_band_loses_nothing_to_play_out(codec: Codec) -> None:
    coding = score(codec, nothing(encoded(speech(16_000), codec), codec, Impairment()))
    found = heard(codec, Impairment())
    assert found >= 3.9
    assert found >= coding - 0.05


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.G722, Codec.OPUS])
def test_a_loss_of_five_percent_is_heard_much_less_than_silence_would_be(codec: Codec) -> None:
    how = Impairment(loss=0.05)
    payloads = encoded(speech(RATES[codec]), codec)
    assert score(codec, carry(payloads, codec, how).pcm) >= score(codec, nothing(payloads, codec, how)) + 0.25


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.G722, Codec.OPUS])
def test_jitter_of_sixty_milliseconds_is_hardly_heard(codec: Codec) -> None:
    assert heard(codec, Impairment(jitter=0.06)) >= heard(codec, Impairment()) - 0.1
