// The public conformance suite of Durable Streams, against the server that the environment names.
// It runs under the vitest that the suite brings along (tests/peers/test_durable_streams.py).

import { runConformanceTests } from "@durable-streams/server-conformance-tests"

runConformanceTests({
  baseUrl: process.env.RIVERRUN_URL,
  longPollTimeoutMs: Number(process.env.RIVERRUN_LONG_POLL_MS),
})
