"""The layers that are built: one line each, with the cloud's rules on layout and size."""

from __future__ import annotations

from typing import NamedTuple

MEGABYTE = 1024 * 1024


class Cloud(NamedTuple):
    """Where a layer is mounted, which folder of its zip Python finds there, and its limits in bytes."""

    name: str
    mount: str
    folder: str
    zipped_limit: int
    unzipped_limit: int


# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, packaging-layers.html
AWS = Cloud("aws", "/opt", "python/", 50 * MEGABYTE, 250 * MEGABYTE)
# https://www.tencentcloud.com/document/product/583/11637: layers are on PYTHONPATH as /opt itself
TENCENT = Cloud("tencent", "/opt", "", 50 * MEGABYTE, 500 * MEGABYTE)


class Target(NamedTuple):
    """One layer zip: for one cloud, one minor version of CPython and one processor architecture."""

    cloud: Cloud
    python: str
    architecture: str

    @property
    def file_name(self) -> str:
        """The zip's name in the build folder of its cloud."""
        return f"layer-python{self.python}-{self.architecture}.zip"

    @property
    def platform(self) -> str:
        """The wheels' platform, by uv's name: glibc 2.17 is what CentOS 7 under SCF has."""
        return {"x86_64": "x86_64", "arm64": "aarch64"}[self.architecture] + "-manylinux2014"

    @property
    def code_folder(self) -> str:
        """Where the packages lie when the function runs: what tracebacks name."""
        return f"{self.cloud.mount}/{self.cloud.folder}".rstrip("/")

    def __str__(self) -> str:
        return f"{self.cloud.name}/{self.file_name}"


TARGETS = (
    Target(AWS, "3.12", "x86_64"),
    Target(AWS, "3.12", "arm64"),
    Target(AWS, "3.13", "x86_64"),
    Target(AWS, "3.13", "arm64"),
    Target(TENCENT, "3.10", "x86_64"),  # SCF offers no newer Python and no arm64
)
FUNCTIONS = ("http", "queue", "schedule")
