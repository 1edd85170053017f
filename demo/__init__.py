"""A GitHub to try Greenroom against, for `greenroom demo` and for the tests; imports nothing of ours."""
