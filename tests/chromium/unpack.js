// Unpacks Chromium and its libraries beside their archives: `node tests/chromium/unpack.js`.
"use strict";

const { execFileSync } = require("node:child_process");
const { readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { brotliDecompressSync } = require("node:zlib");

const folder = join(__dirname, "node_modules/@sparticuz/chromium/bin");
const inflated = (name) => brotliDecompressSync(readFileSync(join(folder, name)));

for (const archive of ["al2023.tar.br", "fonts.tar.br", "swiftshader.tar.br"]) {
  execFileSync("tar", ["--extract", "--directory", folder], { input: inflated(archive) });
}
// The archive's own names the folder where a function of Lambda would have the fonts.
const fonts = `<fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/fonts-cache</cachedir></fontconfig>\n`;
writeFileSync(join(folder, "fonts.conf"), fonts);
writeFileSync(join(folder, "chromium"), inflated("chromium.br"), { mode: 0o755 });
