"""The command line for operators and pipelines: a client of the REST API that needs nothing else of Greenroom."""
