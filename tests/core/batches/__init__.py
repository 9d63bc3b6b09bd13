"""Tests of batch prediction."""
