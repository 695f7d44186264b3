"use strict";

const fs = require("node:fs");
const path = require("node:path");

module.exports = class MailerPlugin {
  constructor(serverless) {
    const { service, pluginManager, serviceDir } = serverless;
    this.hooks = {
      // osls compares what is deployed with the zips that it finds in .serverless; ours come from `make build`.
      "after:package:createDeploymentArtifacts": () => {
        for (const part of [...Object.values(service.functions), ...Object.values(service.layers)]) {
          const zip = part.package.artifact;
          fs.copyFileSync(path.resolve(serviceDir, zip), path.join(serviceDir, ".serverless", path.basename(zip)));
        }
      },
      // While packaging, osls asks CloudFormation for the deployed layer, only to keep an unchanged one's version.
      // OSLS_OFFLINE=1 leaves the question out, so that `osls package` needs neither credentials nor network.
      "before:package:compileLayers": () => {
        if (process.env.OSLS_OFFLINE !== "1") return;
        for (const plugin of pluginManager.plugins) {
          if (plugin.compareWithLastLayer) plugin.compareWithLastLayer = async () => {};
        }
      },
    };
  }
};
