"""The adapters: one for each kind of event, between a platform and `deliver`."""
