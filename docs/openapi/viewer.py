"""The page at `/docs`: Swagger UI and a page around it, as the HTTP function serves them.

A file is compressed once, here, and its name changes with its content, so that browsers may keep it for ever.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path, PurePath

_BROWSER = Path(__file__).parents[2] / "browser"
_SWAGGER_UI = _BROWSER / "node_modules/swagger-ui-dist"
_SOURCE_MAP = re.compile(rb"/\*# sourceMappingURL=[^*]*\*/")  # of a file that is not served


def viewer_files() -> dict[str, bytes]:
    """Return `docs.html` and the files in `docs/` that it links, which are compressed, with their contents.

    Raises FileNotFoundError where the packages of `browser/` are not installed.
    """
    files = _linked_files()
    page = (_BROWSER / "docs.html").read_text(encoding="utf-8")
    served: dict[str, bytes] = {}
    for name, content in files.items():
        path = PurePath(name)
        version = hashlib.sha256(content).hexdigest()[:16]
        versioned = f"{path.stem}.{version}{path.suffix}"
        page = page.replace(f'"./docs/{name}"', f'"./docs/{versioned}"')
        served[f"docs/{versioned}.gz"] = gzip.compress(content, 9, mtime=0)
    return {"docs.html": page.encode(), **served}


def _linked_files() -> dict[str, bytes]:
    try:
        of_swagger_ui = {
            name: _SOURCE_MAP.sub(b"", (_SWAGGER_UI / name).read_bytes())
            for name in ("swagger-ui-bundle.js", "swagger-ui.css")
        }
        licences = [
            (_SWAGGER_UI / name).read_bytes()
            for name in ("NOTICE", "LICENSE", "swagger-ui-bundle.js.LICENSE.txt")
        ]
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error.filename} is not there: run `make setup`, which installs it"
        ) from error
    own = {name: (_BROWSER / name).read_bytes() for name in ("docs.css", "docs.js")}
    return {**own, **of_swagger_ui, "swagger-ui-licences.txt": b"\n".join(licences)}
