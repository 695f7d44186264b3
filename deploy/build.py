"""Builds the layer and function zips: ``python -m deploy.build``.

The layers hold the locked dependencies and the package ``mailer``; a function's zip holds its handler and
mailer.toml. Two builds on one machine are equal byte for byte. Bytecode is made by an interpreter of the
layer's own version: where this machine has none, the layer is built without, and functions compile at every
cold start. A warning is printed, or with ``--require-bytecode`` the build fails.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy import archive, interpreters, sizes
from deploy.bytecode import compile_tree
from deploy.prune import prune
from deploy.targets import AWS, FUNCTIONS, TARGETS, TENCENT, Target

BUILDERS = 2  # a layer is half waiting for files, half compiling
SERVED = ("docs", "docs.html", "openapi.json")  # generated, and part of the layer


class BuildError(Exception):
    """The build cannot make what was asked for."""


def main(arguments: list[str] | None = None) -> int:
    """Build all, print the size report and keep it as ``sizes.txt``. Return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.build", description="Build the layer and function zips."
    )
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the project's folder")
    parser.add_argument("--out", type=Path, help="where the zips go (default: ROOT/build)")
    parser.add_argument(
        "--target", action="append", help="build only these, like aws/layer-python3.12-arm64.zip"
    )
    parser.add_argument(
        "--require-bytecode", action="store_true", help="fail where an interpreter is missing"
    )
    options = parser.parse_args(arguments)
    out: Path = options.out or options.root / "build"
    targets = [target for target in TARGETS if not options.target or str(target) in options.target]
    build = functools.partial(build_layer, options.root, out, require_bytecode=options.require_bytecode)
    try:
        _check_generated(options.root / "layers/mailer/mailer/http_api/static")
        build_functions(options.root, out)
        with ThreadPoolExecutor(BUILDERS) as pool:
            tables = list(pool.map(build, targets))
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    (out / "sizes.txt").write_text("\n\n".join(tables) + "\n", encoding="utf-8")
    print("\n\n".join(tables))
    return 0


def build_functions(root: Path, out: Path) -> None:
    """Write ``http.zip``, ``queue.zip`` and ``schedule.zip`` for each cloud, the handler at its root.

    Beside it lie mailer.toml and, where the project has one, ca.pem: the private authority of the store.
    """
    shared = {"mailer.toml": root / "mailer.toml"}
    if (root / "ca.pem").exists():
        shared["ca.pem"] = root / "ca.pem"
    for function in FUNCTIONS:
        folder = root / "functions" / function
        entries = {path.relative_to(folder).as_posix(): path for path in _sources(folder)}
        for cloud in (AWS, TENCENT):
            archive.write(out / cloud.name / f"{function}.zip", {**entries, **shared})


def build_layer(root: Path, out: Path, target: Target, *, require_bytecode: bool) -> str:
    """Write one layer zip and return its size report.

    Raises BuildError when a limit is broken, or when bytecode is required and no interpreter can make it.
    """
    interpreter = interpreters.find(target.python)
    if interpreter is None:
        missing = f"no Python {target.python} on this machine"
        if require_bytecode:
            raise BuildError(f"{missing}: {target} would ship without bytecode")
        print(
            f"warning: {missing}: {target} is built without bytecode, cold starts are slower", file=sys.stderr
        )
    with tempfile.TemporaryDirectory() as staging:
        tree = Path(staging)
        _install(root / "requirements" / "runtime.txt", tree, target)
        prune(tree)
        package = root / "layers" / "mailer"
        for source in _sources(package):
            destination = tree / source.relative_to(package)
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, destination)
        if interpreter is not None:
            compile_tree(tree, interpreter, target.code_folder)
        layer = out / target.cloud.name / target.file_name
        files = archive.files_below(tree)
        archive.write(
            layer, {target.cloud.folder + path.relative_to(tree).as_posix(): path for path in files}
        )
    size = sizes.measure(layer, target)
    broken = sizes.over_limit(size, target)
    if broken:
        raise BuildError(broken)
    return sizes.report(size, target)


def _check_generated(folder: Path) -> None:
    missing = [name for name in SERVED if not (folder / name).exists()]
    if missing:
        raise BuildError(f"{', '.join(missing)} are not in {folder}: run `make setup`, which generates them")


def _install(requirements: Path, tree: Path, target: Target) -> None:
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(tree)]
    command += ["--link-mode", "copy"]  # a link would let pruning reach into uv's cache
    command += ["--python-platform", target.platform, "--python-version", target.python]
    command += ["--only-binary", ":all:", "--no-deps", "--require-hashes", "--requirement", str(requirements)]
    # One package after the other: two of them bring tencentcloud/__init__.py, and the last one stays.
    environment = os.environ | {"UV_CONCURRENT_INSTALLS": "1"}
    try:
        subprocess.run(command, check=True, env=environment)
    except subprocess.CalledProcessError as error:
        raise BuildError(f"the dependencies of {target} could not be installed") from error


def _sources(folder: Path) -> list[Path]:
    return [path for path in archive.files_below(folder) if "__pycache__" not in path.parts]


if __name__ == "__main__":
    sys.exit(main())
