"""Runs an LSTM over a batch of sequences, then as live streams."""

import numpy as np
import wgpu_rnn

layer = wgpu_rnn.Layer.seeded("lstm", 80, 128, num_layers=2)
x = np.random.default_rng(0).standard_normal((4, 50, 80), np.float32)  # [N, T, I]
output, (h_n, c_n) = layer(x, lengths=[50, 7, 0, 33])
print(f"adapters: {[f'{device.name} ({device.backend})' for device in wgpu_rnn.devices()]}")
print(f"{layer}")
print(f"output {output.shape}, h_n {h_n.shape}, c_n {c_n.shape}; output[0, -1, :3] = {output[0, -1, :3]}")

session = layer.session(4)
pieces = [session.push(x[:, step : step + 1]) for step in range(50)]
difference = np.abs(np.concatenate(pieces, axis=1)[0] - output[0]).max()
print(f"50 pushes of one step: the largest difference is {difference}")
