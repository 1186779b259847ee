// What the public client of Durable Streams does with a server: follow a stream, or write one (tests/peers).
//
//   node durable-streams.js follow URL sse|long-poll     prints each message, one line of JSON, until the stream ends
//   node durable-streams.js write URL COUNT              writes as many messages as an idempotent producer, and closes

import { DurableStream, IdempotentProducer, stream } from "@durable-streams/client"

const [verb, url, option] = process.argv.slice(2)

async function follow(live) {
  const response = await stream({ url, offset: "-1", live })
  for await (const message of response.jsonStream()) {
    process.stdout.write(`${JSON.stringify(message)}\n`)
  }
}

async function write(count) {
  const handle = new DurableStream({ url, contentType: "application/json" })
  const failures = []
  // Small batches, several under way at once: they overtake each other, and the server puts them in order.
  const producer = new IdempotentProducer(handle, "writer", {
    maxBatchBytes: 200,
    lingerMs: 1,
    maxInFlight: 5,
    onError: (error) => failures.push(error),
  })
  for (let n = 0; n < count; n++) {
    producer.append(JSON.stringify({ n, text: `wörd ${n} 👩‍👩‍👧\r\n` }))
  }
  await producer.flush()
  await producer.close()
  if (failures.length > 0) throw failures[0]
}

await (verb === "follow" ? follow(option) : write(Number(option)))
