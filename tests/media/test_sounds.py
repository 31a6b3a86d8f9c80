"""Sound files become the core's own samples, or a clear refusal."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from softswitch.errors import NotPossible
from softswitch.media import sounds


def encode(
    path: Path,
    *,
    codec: str = "pcm_s16le",
    rate: int = 8000,
    left: float = 440.0,
    right: float | None = None,
    seconds: float = 1.0,
) -> Path:
    """Write a tone of amplitude 8192 in the left channel, and if asked another in the right."""
    time = np.arange(int(rate * seconds)) / rate
    channels = [np.round(8192 * np.sin(2 * np.pi * tone * time)) for tone in (left, right) if tone is not None]
    with av.open(str(path), "w") as container:
        layout = "mono" if right is None else "stereo"
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        packed = np.stack(channels, axis=1).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format.name, layout, rate, stream.frame_size or None)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def rate_of(path: Path) -> int:
    return sounds.load(path).rate


def pcm(path: Path) -> NDArray[np.float64]:
    return np.frombuffer(sounds.load(path).samples, "<i2").astype(np.float64)


def amplitude(samples: NDArray[np.float64], tone: float, rate: int = sounds.RATE) -> float:
    """The amplitude of one frequency, over the middle of the sound."""
    middle = samples[len(samples) // 8 : -len(samples) // 8]
    wave = np.exp(-2j * np.pi * tone * np.arange(len(middle)) / rate)
    return float(2 * abs(np.mean(middle * wave)))


def test_samples_in_the_cores_form_pass_unchanged(tmp_path: Path) -> None:
    samples = pcm(encode(tmp_path / "a.wav"))
    expected = np.round(8192 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000))
    assert np.array_equal(samples, expected)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.wav", "pcm_s16le", 16_000),
        ("a.wav", "pcm_alaw", 8_000),
        ("a.wav", "pcm_s24le", 44_100),
        ("a.aiff", "pcm_s16be", 22_050),
        ("a.au", "pcm_mulaw", 8_000),
        ("a.flac", "flac", 48_000),
        ("a.mp3", "libmp3lame", 44_100),
        ("a.ogg", "libopus", 48_000),
        ("a.m4a", "aac", 44_100),
        ("a.mka", "libopus", 24_000),
    ],
)
def test_a_tone_survives_every_usual_format(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    path = encode(tmp_path / name, codec=codec, rate=rate)
    samples, decoded = pcm(path), rate_of(path)
    assert decoded == (8_000 if rate == 8_000 else 16_000)
    # Lossy codecs add silence at the ends: up to 100 ms.
    assert 0.999 <= len(samples) / decoded <= 1.1
    assert amplitude(samples, 440.0, decoded) == pytest.approx(8192, rel=0.06)
    assert amplitude(samples, 1000.0, decoded) < 82  # -40 dB


def test_two_channels_are_averaged(tmp_path: Path) -> None:
    samples = pcm(encode(tmp_path / "a.wav", left=440.0, right=1000.0))
    assert amplitude(samples, 440.0) == pytest.approx(4096, rel=0.02)
    assert amplitude(samples, 1000.0) == pytest.approx(4096, rel=0.02)


def test_what_telephones_cannot_carry_does_not_fold_back(tmp_path: Path) -> None:
    # 11 kHz would alias to 5 kHz.
    samples = pcm(encode(tmp_path / "a.wav", rate=48_000, left=11_000.0))
    assert amplitude(samples, 5000.0, sounds.WIDE) < 82  # -40 dB


def test_what_wide_band_telephones_can_carry_is_kept(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.flac", codec="flac", rate=44_100, left=6000.0)
    assert amplitude(pcm(path), 6000.0, rate_of(path)) == pytest.approx(8192, rel=0.06)


def test_a_folder_is_as_wide_as_its_widest_piece(tmp_path: Path) -> None:
    encode(tmp_path / "a.wav", seconds=0.5)
    encode(tmp_path / "b.wav", rate=44_100, seconds=0.5)
    sound = sounds.load(tmp_path)
    assert sound.rate == 16_000
    assert sound.starts == (0, 8000)


def test_a_playlist_is_played_in_its_order_with_its_repetitions(tmp_path: Path) -> None:
    for name, seconds in (("a", 0.1), ("b", 0.2)):
        encode(tmp_path / f"{name}.wav", seconds=seconds)
    listed = tmp_path / "calm.m3u"
    listed.write_text("\ufeff#EXTM3U\n#EXTINF:1,The second\nb.wav\r\n\n a.wav \n" + f"{tmp_path / 'b.wav'}\n")
    assert sounds.load(listed).starts == (0, 1600, 2400)
    assert sounds.load(listed) is sounds.load(listed)
    listed.write_text("a.wav\n")
    assert len(sounds.load(listed).samples) == 2 * 800


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("http://radio.example/live", "http://radio.example/live is no sound file"),
        ("other.m3u8", "other.m3u8 is no sound file"),
        ("# nothing", "no sound file in this playlist"),
        ("none.wav", "none.wav: No such file or directory"),
    ],
)
def test_a_playlist_names_files_and_nothing_else(tmp_path: Path, line: str, why: str) -> None:
    listed = tmp_path / "a.m3u"
    listed.write_text(line + "\n")
    with pytest.raises(NotPossible, match=why):
        sounds.load(listed)


def test_shuffled_pieces_are_the_same_pieces_in_another_order_that_stays(tmp_path: Path) -> None:
    for number in range(6):
        encode(tmp_path / f"{number}.wav", seconds=(number + 1) / 10)
    plain, shuffled = sounds.load(tmp_path), sounds.load(tmp_path, shuffled=True)
    assert len(plain.samples) == len(shuffled.samples)
    assert plain.starts != shuffled.starts
    assert sounds.load(tmp_path, shuffled=True) is shuffled


def test_a_file_is_decoded_once(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.wav")
    assert sounds.load(path) is sounds.load(path)


def test_a_changed_file_is_decoded_again(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.wav", seconds=0.5)
    assert len(sounds.load(path).samples) == 8000
    encode(path, seconds=1.0)
    os.utime(path, ns=(0, 0))
    assert len(sounds.load(path).samples) == 16_000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be decoded"),
        (b"no sound at all", "cannot be decoded"),
        (bytes(5000), "cannot be decoded"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\na.wav\n#EXT-X-ENDLIST\n", "cannot be decoded"),
        (b"ffconcat version 1.0\nfile a.wav\n", "cannot be decoded"),
        (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\0\0\0", "no sound"),
    ],
    ids=["empty", "text", "zeros", "playlist", "concatenation", "no samples"],
)
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    encode(tmp_path / "a.wav")
    path = tmp_path / "b.wav"
    path.write_bytes(content)
    with pytest.raises(NotPossible, match=reason) as refusal:
        sounds.load(path)
    assert str(refusal.value).startswith(f"{path}: ")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match=r"none\.wav: No such file or directory"):
        sounds.load(tmp_path / "none.wav")


def test_a_folder_without_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(NotPossible, match="no sound file in this folder"):
        sounds.load(tmp_path)


class TestMusic:
    music = np.frombuffer(sounds.default_music(), "<i2").astype(np.float64)

    def test_its_level_is_20_db_below_overload(self) -> None:
        rms = np.sqrt(np.mean(self.music**2))
        assert 20 * np.log10(rms / 32768) == pytest.approx(-20.0, abs=0.01)

    def test_it_is_never_clipped(self) -> None:
        assert np.abs(self.music).max() < 16_384

    def test_it_lasts_25_6_seconds(self) -> None:
        # 8 bars of 8 notes of 0.4 s.
        assert len(self.music) == 204_800

    def test_its_end_joins_its_beginning_without_a_click(self) -> None:
        steps = np.abs(np.diff(self.music))
        assert abs(self.music[0] - self.music[-1]) <= steps.max()

    def test_no_part_of_it_is_silent(self) -> None:
        seconds = self.music[: 25 * 8000].reshape(25, 8000)
        assert (np.sqrt(np.mean(seconds**2, axis=1)) > 800).all()

    def test_it_stays_within_the_telephone_band(self) -> None:
        spectrum = np.abs(np.fft.rfft(self.music)) ** 2
        hertz = np.fft.rfftfreq(len(self.music), 1 / 8000)
        inside = spectrum[(hertz > 180) & (hertz < 3400)].sum()
        assert inside / spectrum.sum() > 0.99

    def test_it_is_made_once(self) -> None:
        assert sounds.default_music() is sounds.default_music()
