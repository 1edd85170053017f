"""Requests that wait for a lock without a thread of their own."""
