"""A dense network for any number of inputs, with an optimiser of its own choice."""

import keras
from keras import layers


def model(idim: int) -> keras.Model:
    """Return the network for a matrix of ``idim`` columns.

    Without ``compile`` it would get binary cross-entropy and Adam.
    """
    network = keras.Sequential(
        [
            layers.Input((idim,)),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    network.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy", metrics=["accuracy"])
    return network
