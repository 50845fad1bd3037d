"""Writes large.weights.h5 (chunks that are shuffled and deflated) and large.keras (an archive that is deflated).

The matrices are large requests for memory, and the files are small. Needs h5py:

    python tests/memory/generate.py
"""

import io
import json
import pathlib
import zipfile

import h5py
import numpy

INPUTS, UNITS = 64, 96
SHAPES = [(INPUTS, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)]
FOLDER = pathlib.Path(__file__).parent


def weights(target, **options):
    with h5py.File(target, "w") as file:
        for place, shape in enumerate(SHAPES):
            values = numpy.full(shape, 0.125, numpy.float32)
            file.create_dataset(f"layers/lstm/cell/vars/{place}", data=values, **options)


weights(FOLDER / "large.weights.h5", chunks=True, compression="gzip", shuffle=True)
inside = io.BytesIO()
weights(inside)
lstm = {"class_name": "LSTM", "config": {"name": "lstm", "units": UNITS}}
model = {"class_name": "Sequential", "config": {"name": "model", "layers": [lstm]}}
members = {
    "metadata.json": json.dumps({"keras_version": "3.8.0"}),
    "config.json": json.dumps(model),
    "model.weights.h5": inside.getvalue(),
}
with zipfile.ZipFile(FOLDER / "large.keras", "w", zipfile.ZIP_DEFLATED) as archive:
    for name, contents in members.items():
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), contents, zipfile.ZIP_DEFLATED)
