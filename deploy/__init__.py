"""Builds the layer and function zips, and deploys them to Tencent SCF (osls alone deploys to AWS)."""
