"""Makes runs happen: service, driver, writer, lease. The asyncio shell around the pure engine."""
