// The reference server of Durable Streams, in memory, with a producer of our own beside it (bench/peer_streams.py).
//
//   node durable_streams.js FOLDER     FOLDER: where npm has put it; prints the addresses of server and producer
//
// The producer appends without HTTP, in the server's own process: whatever that costs is not in the figures.

import { createServer } from "node:http"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"

const find = createRequire(`${process.argv[2]}/package.json`)
const { DurableStreamTestServer } = await import(pathToFileURL(find.resolve("@durable-streams/server")))

const encoder = new TextEncoder()
const gates = new Map()
const STEP = 1000 // messages of a stream that is made to be read later
let streams = 0

const server = new DurableStreamTestServer({ port: 0, host: "127.0.0.1" })
await server.start()

function gate(name) {
  if (!gates.has(name)) {
    let open
    const opened = new Promise((resolve) => (open = resolve))
    gates.set(name, { open, opened })
  }
  return gates.get(name)
}

const seconds = () => Number(process.hrtime.bigint()) / 1e9

async function tell(path, { gate: name, n, pause, stay }) {
  if (name) await gate(name).opened
  let due = seconds()
  for (let i = 0; i < n; i++) {
    due += pause
    const wait = (due - seconds()) * 1000
    // It looks through all messages for each reader that it wakes: a long stream is made in steps, or it takes minutes.
    if (pause || name || i % STEP === 0) {
      await new Promise((resolve) => (wait > 0 && pause ? setTimeout(resolve, wait) : setImmediate(resolve)))
    }
    server.store.append(path, encoder.encode(`"at ${seconds().toFixed(6)};"`))
  }
  if (!stay) server.store.closeStream(path)
}

async function answer(request, response) {
  let body = ""
  for await (const piece of request) body += piece
  const asked = JSON.parse(body)
  let name = ""
  if (request.url === "/tell") {
    name = `stream-${streams++}`
    const made = await fetch(`${server.url}/${name}`, { method: "PUT", headers: { "content-type": "application/json" } })
    if (!made.ok) throw new Error(`not made: ${made.status}`)
    tell(`/${name}`, asked)
  } else {
    gate(asked.gate).open()
  }
  response.end(JSON.stringify({ name }))
}

const producer = createServer(answer).listen(0, "127.0.0.1", () => {
  console.log(`${server.url} http://127.0.0.1:${producer.address().port}`)
})
process.on("SIGTERM", () => process.exit(0))
