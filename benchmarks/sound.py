"""What is heard: PESQ (ITU-T P.862, wide band P.862.2) of speech through the real engine under virtual time.

``python -m benchmarks.sound`` prints the tables of docs/topics/sound.md. Speech is
made by espeak-ng and sent in each codec through a seeded network; the listener's
leg is linear, so that only the first coding and play-out are measured. "nothing"
is the same packets in a receiver that waits 20 ms and plays silence for what is
not there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

import click
import numpy as np
from numpy.typing import NDArray
from pesq import pesq

from softswitch.media.engine import Codec
from tests.media.carried import OPUS_BITRATE, OPUS_LOSS, carry, encoded, nothing
from tests.media.impairment import Impairment
from tests.media.speech import MISSING, missing, speech

Pcm = NDArray[np.int16]

RATES = {Codec.PCMU: 8000, Codec.PCMA: 8000, Codec.G722: 16_000, Codec.OPUS: 16_000}
CURVES = (Codec.PCMU, Codec.G722, Codec.OPUS)
VOICES = ("en-us+f3", "en-us+f2")
LOSSES = (0.01, 0.03, 0.05, 0.10, 0.20)
JITTERS = (0.020, 0.040, 0.060, 0.080, 0.100)


def score(said: Pcm, heard: Pcm, rate: int) -> float:
    """MOS-LQO, 1.0 to 4.5 narrow band (8 kHz), to 4.64 wide band (16 kHz)."""
    return float(pesq(rate, said, heard, "nb" if rate == 8000 else "wb"))


def mean(codec: Codec, heard: Callable[[list[bytes], int], Pcm], sentences: int, *, loss: int = OPUS_LOSS) -> float:
    """The mean over voices, sentences and seeds of what ``heard`` makes of the payloads."""
    rate = RATES[codec]
    spoken = [speech(rate, sentence, voice) for sentence in range(sentences) for voice in VOICES]
    return fmean(score(said, heard(encoded(said, codec, loss), seed), rate) for seed, said in enumerate(spoken, 1))


def curve(codec: Codec, impairments: Sequence[Impairment], sentences: int) -> list[tuple[float, float]]:
    """(the switch, nothing) at each impairment."""
    return [
        (
            mean(codec, lambda payloads, seed, how=how: carry(payloads, codec, how, seed=seed).pcm, sentences),
            mean(codec, lambda payloads, seed, how=how: nothing(payloads, codec, how, seed=seed), sentences),
        )
        for how in impairments
    ]


def table(title: str, heads: Sequence[str], impairments: Sequence[Impairment], sentences: int) -> None:
    click.echo(f"\n| {title} | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}")
    for codec in CURVES:
        found = curve(codec, impairments, sentences)
        click.echo(f"| {codec}, the switch | {' | '.join(f'{ours:.2f}' for ours, _ in found)} |")
        click.echo(f"| {codec}, nothing | {' | '.join(f'{theirs:.2f}' for _, theirs in found)} |")


@click.command()
@click.option("--sentences", default=2, type=click.IntRange(1, 4), help="Of the four, in two voices each.")
@click.option("--clean-only", is_flag=True, help="Without loss and jitter.")
def main(sentences: int, clean_only: bool) -> None:
    """Print PESQ of clean calls, and over loss and jitter."""
    if missing():
        raise click.ClickException(MISSING)

    def clean(codec: Codec, to: Codec | None, *, alone: bool) -> str:
        def heard(payloads: list[bytes], seed: int) -> Pcm:
            return carry(payloads, codec, to=to, alone=alone).pcm

        return f"{mean(codec, heard, sentences, loss=0):.2f}"

    def coding(codec: Codec) -> str:
        def heard(payloads: list[bytes], seed: int) -> Pcm:
            return nothing(payloads, codec, Impairment())

        return f"{mean(codec, heard, sentences, loss=0):.2f}"

    click.echo(f"Opus at {OPUS_BITRATE // 1000} kbit/s; on a clean network without FEC, else with it.\n")
    click.echo("| clean network | coding alone | the switch |\n|---|---|---|")
    for codec in RATES:
        alone = coding(codec)
        click.echo(f"| {codec} passed through | {alone} | {clean(codec, codec, alone=True)} |")
        click.echo(f"| {codec} mixed, linear to the listener | {alone} | {clean(codec, None, alone=True)} |")
        click.echo(f"| {codec} mixed, {codec} to the listener | {alone} | {clean(codec, codec, alone=False)} |")
    if clean_only:
        return
    table("lost, each for itself", [f"{loss:.0%}" for loss in LOSSES], [Impairment(loss=x) for x in LOSSES], sentences)
    table("lost, three in a row", ["5%", "10%"], [Impairment(loss=x, burst=3.0) for x in (0.05, 0.10)], sentences)
    heads = [f"{jitter * 1000:.0f} ms" for jitter in JITTERS]
    table("jitter up to", heads, [Impairment(jitter=x) for x in JITTERS], sentences)
    table("in a queue up to", heads, [Impairment(jitter=x, queue=True) for x in JITTERS], sentences)


if __name__ == "__main__":
    main()
