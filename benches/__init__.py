"""Benches: how fast, in ratios to rivals that give the same answer in the same run."""
