"""Answers HTTP and speaks to GitHub."""
