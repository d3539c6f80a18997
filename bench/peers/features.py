"""The features of `make bench` by others, on one thread: clips a second.

usage: /usr/bin/python3 bench/peers/features.py numpy|torchaudio mfcc_49x10|logmel_40x101
numpy: the definition of MLPerf Tiny's MFCC, or log-mel by the same steps. torchaudio: its own
definition of MFCC and mel spectrogram, clip by clip (faster there than by batches).
"""
import sys
import time

import numpy as np

RATE = 16000


def mel(hz):
    return 1127 * np.log1p(hz / 700)


def filters(bands, points, lo, hi):
    centre = np.linspace(mel(lo), mel(hi), bands + 2)
    at = mel(np.arange(points // 2 + 1) * RATE / points)[:, None]
    up = (at - centre[:-2]) / (centre[1:-1] - centre[:-2])
    down = (centre[2:] - at) / (centre[2:] - centre[1:-1])
    return np.maximum(0, np.minimum(up, down)).astype(np.float32)


def with_numpy(preset):
    import scipy.fft

    if preset == "mfcc_49x10":
        size, hop, points, count = 480, 320, 512, 49
        bank = filters(40, points, 20, 4000)
        dct = np.cos(np.pi / 40 * np.arange(10) * (np.arange(40)[:, None] + 0.5)).astype(np.float32) / np.sqrt(20)
    else:
        size, hop, points, count = 480, 160, 512, 101
        bank, dct = filters(40, points, 20, 7600), None
    window = np.hanning(size + 1)[:-1].astype(np.float32)

    def run(clip):
        if dct is None:
            clip = np.pad(clip, size // 2, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(clip, size)[::hop][:count] * window
        features = np.log(np.abs(scipy.fft.rfft(frames, points)) @ bank + 1e-6)
        return features if dct is None else features @ dct

    return run


def with_torchaudio(preset):
    import torch
    import torchaudio

    torch.set_num_threads(1)
    if preset == "mfcc_49x10":
        mels = {"n_fft": 512, "win_length": 480, "hop_length": 320, "n_mels": 40, "f_min": 20.0, "f_max": 4000.0,
                "center": False}
        module = torchaudio.transforms.MFCC(RATE, 10, log_mels=True, melkwargs=mels)
    else:
        spectrum = torchaudio.transforms.MelSpectrogram(RATE, 512, 480, 160, n_mels=40, f_min=20.0, f_max=7600.0)
        module = torch.nn.Sequential(spectrum, torchaudio.transforms.AmplitudeToDB())

    def run(clip):
        with torch.no_grad():
            return module(torch.from_numpy(clip))

    return run


def main(library, preset):
    run = {"numpy": with_numpy, "torchaudio": with_torchaudio}[library](preset)
    clips = np.random.default_rng(1).normal(0, 0.1, (32, RATE)).astype(np.float32)
    rates = []
    for _ in range(8):
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < 0.15:
            for clip in clips:
                run(clip)
            done += len(clips)
        rates.append(done / (time.perf_counter() - start))
    print("%.1f" % sorted(rates[1:])[3])


main(*sys.argv[1:])
