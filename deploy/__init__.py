"""Builds what the clouds are given, and deploys it to Tencent SCF (AWS is deployed by osls alone)."""
