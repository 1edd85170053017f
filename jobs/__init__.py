"""Thin: load by id, call, record."""
