"""The web process speaks to GitHub without what would cost it a second and 40 MB."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_web_process_does_not_import_githubkit() -> None:
    script = "import sys, app, bot.web; sys.exit('githubkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
