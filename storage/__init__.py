"""Rows: one aggregate a file, each with the statements that touch it."""
