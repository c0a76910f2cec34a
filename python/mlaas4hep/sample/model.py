"""A dense network that tells two classes of events apart."""

import keras
from keras import layers


def model(idim: int) -> keras.Model:
    """Return the network for ``idim`` inputs; not compiled, so it gets binary cross-entropy and Adam."""
    return keras.Sequential(
        [
            layers.Input((idim,)),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
