"""Datasets that a room photographs: classes and pictures that many people add, until they are frozen by an import."""
