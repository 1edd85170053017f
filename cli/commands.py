"""COMMANDS: what is typed at a server that runs, wherever that is."""

from __future__ import annotations

import click

from cli.env import env
from cli.pool import pool

COMMANDS: tuple[click.Command, ...] = (env, pool)
