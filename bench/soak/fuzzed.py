"""The campaign of made-up requests: schemathesis reads /openapi.json and sends what it says and what it does not say.

No answer may be a fault of ours (5xx), none may differ from the document. Schemathesis lives in an environment of its own,
made on first use: it needs more packages than WedSync has. `python -m bench.soak schemathesis`.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Final

from bench.installation import Installation, Site
from bench.soak.report import errors_in
from bench.soak.run import Options
from bench.wedding_load import found_weddings, small_wedding

VERSION: Final = "4.32.5"
#: That whatever fits the document is applied is not promised: the rules judge values (422), an id may be somebody else's (400).
NOT_PROMISED: Final = "positive_data_acceptance"
#: The last share of the time goes to what ends sessions: it makes the token useless.
_ENDING_SHARE: Final = 0.1
_ENVIRONMENT: Final = Path(sys.prefix) / "schemathesis"
_WEDDING: Final = "soak-0"
#: A wrong body may be too large as well, which is what the answer then says.
_REFUSALS: Final = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429]
_SETTINGS: Final = f"""[parameters]
wedding = "{_WEDDING}"
[checks.negative_data_rejection]
expected-statuses = {_REFUSALS}
"""


async def run_fuzzed(folder: Path, options: Options) -> int:
    """Run it and print; returns how much is broken."""
    program = await _program()
    async with Installation(folder, environment={"WEDSYNC_LOG_LEVEL": "info"}) as installation:
        site = installation.site
        [plan] = await found_weddings(site, 1, 1, small_wedding(), prefix="soak")
        settings = folder / "schemathesis.toml"
        settings.write_text(_SETTINGS)
        endings, seconds = options.seconds * _ENDING_SHARE, options.seconds * (1 - _ENDING_SHARE)
        runs = (
            (plan.token, "--exclude-method=DELETE", seconds / 2),
            (site.token("operator", _WEDDING), "--exclude-method=DELETE", seconds / 2),
            (plan.token, "--include-method=DELETE", endings),
        )
        broken = 0
        for token, choice, most in runs:
            broken += await _run(program, settings, site, options.seed, (choice, f"--max-time={max(1, round(most))}"), token)
    told = errors_in(installation.log_path)
    print(told)
    broken += "gateway" in told
    print(f"schemathesis seed {options.seed}: {'BROKEN' if broken else 'ok'}", flush=True)
    return broken


async def _run(program: Path, settings: Path, site: Site, seed: int, choice: tuple[str, ...], token: str) -> int:
    command = (
        *(str(program), "--config-file", str(settings), "run", f"{site.url}/openapi.json", "--no-color"),
        *("--header", f"Authorization: Bearer {token}", "--exclude-checks", NOT_PROMISED, "--seed", str(seed)),
        *("--warnings=off", *choice),
    )
    process = await asyncio.create_subprocess_exec(*command, cwd=settings.parent)  # it leaves a cache
    return await process.wait()


async def _program() -> Path:
    """Schemathesis of our version: from PATH, or from an environment that is made beside ours."""
    if (found := shutil.which("schemathesis")) is not None:
        return Path(found)
    program = _ENVIRONMENT / "bin" / "schemathesis"
    if not program.exists():
        for command in (
            (sys.executable, "-m", "venv", str(_ENVIRONMENT)),
            (str(_ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", f"schemathesis=={VERSION}"),
        ):
            process = await asyncio.create_subprocess_exec(*command)
            if await process.wait():
                raise RuntimeError(f"schemathesis cannot be installed: {' '.join(command)}")
    return program
