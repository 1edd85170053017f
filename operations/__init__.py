"""The rules: one verb a file, the function named like it; no network, no clock, no HTTP."""
