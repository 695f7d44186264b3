"use strict";

// Teaches osls the provider `tencent`: osls resolves and validates the file, Python compares and deploys.
const { spawnSync } = require("node:child_process");

const text = { type: "string" };
const anything = { type: "object" };
const event = { type: "object", additionalProperties: true };

module.exports = class TencentProvider {
  static getProviderName() {
    return "tencent";
  }

  constructor(serverless) {
    this.serverless = serverless;
    this.provider = this;
    serverless.setProvider("tencent", this);
    const schema = serverless.configSchemaHandler;
    schema.defineProvider("tencent", {
      provider: {
        properties: {
          region: text, endpoint: text, namespace: text, runtime: text, role: text,
          environment: anything, vpc: anything, logs: anything, initTimeout: { type: "integer" },
        },
      },
      function: {
        properties: {
          handler: text, memorySize: { type: "integer" }, timeout: { type: "integer" }, package: anything,
          environment: anything, reservedConcurrency: { anyOf: [{ type: "integer" }, text] },
        },
      },
      layers: anything,
    });
    for (const name of ["url", "timer", "ckafka"]) schema.defineFunctionEvent("tencent", name, event);
    this.commands = { plan: { usage: "Show what deploy would change", lifecycleEvents: ["plan"] } };
    this.hooks = {
      "plan:plan": () => this.run("plan"),
      "deploy:deploy": () => this.run("deploy"),
      "info:info": () => this.run("info"),
      "remove:remove": () => this.run("remove"),
    };
  }

  run(command) {
    const python = process.env.MAILER_PYTHON || ".venv/bin/python";
    const { error, status } = spawnSync(python, ["-m", "deploy.tencent", command, "--resolved"], {
      cwd: this.serverless.serviceDir,
      input: JSON.stringify(this.serverless.configurationInput),
      stdio: ["pipe", "inherit", "inherit"],
    });
    if (error) throw new this.serverless.classes.Error(`${python}: ${error.message} (make setup)`);
    if (status !== 0) throw new this.serverless.classes.Error(`deploy.tencent ${command} failed`);
  }
};
