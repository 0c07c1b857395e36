"""How good a model is, from its predictions, on any engine."""
