"""Train Deep Sets with Keras.

Usage: python -m examples.particles.train_keras FOLDER
"""

from typing import Any

import keras
from keras import layers, ops
from mlaas4hep import Dataset
from mlaas4hep.frameworks import to_keras

from examples.particles.data import COLLECTIONS, HIDDEN, arguments, auc, loader, open_files

INPUTS = ["data", *COLLECTIONS, *(f"{name}_mask" for name in COLLECTIONS)]


def deep_sets(dataset: Dataset) -> Any:
    """Return a network for every particle, the mean over those that are there, and a network for the event."""
    tensors = dataset.no_events().collections
    inputs = {"data": keras.Input((len(dataset.names),), name="data")}
    sets = []
    for name in COLLECTIONS:
        _, branches, width = tensors[name].data.shape
        inputs[name] = keras.Input((branches, width), name=name)
        inputs[f"{name}_mask"] = keras.Input((width,), dtype="bool", name=f"{name}_mask")
        particles = hidden(layers.Permute((2, 1))(inputs[name]))
        sets.append(mean(particles, inputs[f"{name}_mask"]))
    event = hidden(layers.Concatenate()([inputs["data"], *sets]))
    return keras.Model(inputs, layers.Dense(1, "sigmoid")(event))


def mean(particles: Any, mask: Any) -> Any:
    """Return the mean over the particles, (events, width, features), whose mask is False; 0 where there are none."""
    there = ops.cast(ops.logical_not(mask), "float32")[:, :, None]
    return ops.sum(particles * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1.0)


def hidden(inputs: Any) -> Any:
    """Apply two layers."""
    return layers.Dense(HIDDEN, "relu")(layers.Dense(HIDDEN, "relu")(inputs))


def main() -> None:
    """Train, and tell the AUC of the test part."""
    options = arguments(__doc__).parse_args()
    keras.utils.set_random_seed(21)
    dataset = open_files(options.folder, options.events)
    train, validation, test = (to_keras(loader(dataset, part), INPUTS) for part in ("train", "validation", "test"))
    model = deep_sets(dataset)
    model.compile(keras.optimizers.Adam(0.003), "binary_crossentropy", weighted_metrics=["auc"])
    model.fit(train, validation_data=validation, epochs=options.epochs, verbose=2)
    scores = model.predict(test, verbose=0).squeeze(1)
    print(f"AUC of the test part: {auc(dataset, scores):.4f}")


if __name__ == "__main__":
    main()
