// Signs and verifies webhooks with GitHub's library, as libraries.py does with those in Python.
import { sign, verify } from "@octokit/webhooks-methods";
import { readFileSync, writeFileSync } from "node:fs";

async function answer({ task, secret, headers, body }) {
  if (task === "sign") return sign(secret, body);
  try {
    return await verify(secret, body, headers["x-hub-signature-256"]);
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}

const tasks = JSON.parse(readFileSync(0, "utf8"));
writeFileSync(1, JSON.stringify(await Promise.all(tasks.map(answer))));
