"""A small dense network for the Higgs challenge."""

import keras


def model(idim: int) -> keras.Model:
    """Return the model for ``idim`` features; the standard loss and Adam are added."""
    return keras.Sequential(
        [
            keras.Input((idim,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
