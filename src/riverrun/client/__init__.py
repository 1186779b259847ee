"""Read and steer runs from far away: a pure reconnect machine and a thin HTTP shell."""

from riverrun.client.blocking import BlockingClient, BlockingRun
from riverrun.client.client import Client
from riverrun.client.remote import RemoteRun

__all__ = ["BlockingClient", "BlockingRun", "Client", "RemoteRun"]
