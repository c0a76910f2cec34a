"""What a trained model is worth: metrics of the test part, ROC and learning curves.

scikit-learn is imported by ``metrics`` and matplotlib by ``curves``, so import those modules where needed.
"""
