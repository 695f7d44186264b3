"""Deploys serverless.tencent.yml to Tencent Cloud SCF: ``python -m deploy.tencent plan|deploy|info|remove``.

The data goes one way: serverless.tencent.yml → ``variables`` → ``service`` (checked) → ``plan`` (against what
``api`` reads) → ``deployer``. What is deployed already is left alone: one that broke off is run again.
"""
