"""Deploys serverless.tencent.yml to Tencent Cloud SCF: ``python -m deploy.tencent plan|deploy|info|remove``.

The data goes one way: serverless.tencent.yml → ``variables`` → ``service`` (checked) → ``plan`` (against what
``api`` reads) → ``deployer``. What is up to date is left alone, so an interrupted deployment can be repeated.
"""
