"""Bytes and words on a connection: SSE blocks, frames, problems. Pure."""
