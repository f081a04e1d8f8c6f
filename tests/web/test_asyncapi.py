"""The AsyncAPI document is one to the AsyncAPI project's own parser (npm `@asyncapi/parser`, used by `@asyncapi/cli`)."""

import json
import subprocess

import msgspec

from gateway.http.asyncapi import asyncapi_document
from tests.support.requirements import ROOT, missing, require_program

#: Where .ci/run installs it.
FOLDER = ROOT / ".ci" / "node_modules"


def test_the_document_is_asyncapi() -> None:
    """No error and no warning; frames, subjects, operations and schemas included."""
    node = require_program("node", "install Node.js 20 or newer (on Debian: apt-get install nodejs)")
    if not (FOLDER / "@asyncapi" / "parser").is_dir():
        missing("@asyncapi/parser", "npm install --prefix .ci --ignore-scripts @asyncapi/parser@3.6.3")
    told = subprocess.run(
        [node, ROOT / "tests" / "web" / "check_asyncapi.mjs", FOLDER],
        input=msgspec.json.encode(asyncapi_document()),
        capture_output=True,
        check=True,
        timeout=50,
    )
    assert json.loads(told.stdout)["told"] == []
