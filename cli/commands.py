"""COMMANDS: what is typed at a server that runs, wherever that is."""

from __future__ import annotations

import click

from cli.env import env
from cli.lock import lock
from cli.pool import pool
from cli.run import run
from cli.task import task

COMMANDS: tuple[click.Command, ...] = (env, lock, pool, run, task)
