"""Chat models: one protocol for all of them, adapters over the providers' own SDKs, and a node that speaks to one."""
