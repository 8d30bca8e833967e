"""Tests that run against real programs."""
