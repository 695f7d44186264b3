"use strict";

// osls asks CloudFormation for the deployed layer while it packages, only to keep an unchanged layer's version.
// OSLS_OFFLINE=1 leaves the question out, so that `osls package` needs neither credentials nor network.
module.exports = class OfflinePackage {
  constructor(serverless) {
    this.hooks = {
      "before:package:compileLayers": () => {
        if (process.env.OSLS_OFFLINE !== "1") return;
        for (const plugin of serverless.pluginManager.plugins) {
          if (plugin.compareWithLastLayer) plugin.compareWithLastLayer = async () => {};
        }
      },
    };
  }
};
