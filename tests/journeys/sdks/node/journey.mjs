// One client's whole way through the API, with the Node SDK.
//
// Run as `node journey.mjs PLAN.json`; prints what it met as one JSON object, which `test_sdks`
// compares. `../journey.py` is the same in the same order; change both.

import crypto from "node:crypto";
import fs from "node:fs";
import OpenAI, { toFile } from "openai";
import { VERSION } from "openai/version";

const ENDED = ["completed", "failed", "expired", "cancelled"];
const PATIENCE_MS = 60_000;

const plan = JSON.parse(fs.readFileSync(process.argv[2], "utf-8"));
const report = { version: VERSION };
let requests = 0;

function connect(key) {
  return new OpenAI({
    baseURL: plan["base_url"],
    apiKey: key,
    fetch: (...request) => {
      requests += 1;
      return fetch(...request);
    },
  });
}

const client = connect(plan["key"]);
const text = fs.readFileSync(plan["input"], "utf-8");
let fileId;
let batchId;

// ------------------------------------------------------------------ steps

async function files() {
  const fromPath = await client.files.create({
    file: fs.createReadStream(plan["input"]),
    purpose: "batch",
  });
  const named = await client.files.create({
    file: await toFile(Buffer.from(text), "naïve ☃.jsonl"),
    purpose: "batch",
    expires_after: { anchor: "created_at", seconds: 3600 },
  });
  const third = await client.files.create({
    file: await toFile(Buffer.from("{}\n"), "third.jsonl"),
    purpose: "batch",
  });
  const waited = await client.files.waitForProcessing(fromPath.id, { pollInterval: 50 });
  const retrieved = await client.files.retrieve(fromPath.id);
  const query = { limit: 2, order: "asc", purpose: "batch" };
  const page = await client.files.list(query);
  const before = requests;
  const listed = await collect(client.files.list(query));
  const pages = requests - before;
  const content = await client.files.content(fromPath.id);
  const deleted = await client.files.delete(third.id);
  report["files"] = {
    "from a path": plain(fromPath),
    "from bytes with a name": plain(named),
    "lives for": named.expires_at - named.created_at,
    "waited for": plain(waited),
    retrieved: plain(retrieved),
    "first page": whole(page),
    listed: same(listed, [fromPath.id, named.id, third.id]),
    pages,
    content: (await content.text()) === text,
    "content type": content.headers.get("content-type"),
    "content disposition": content.headers.get("content-disposition"),
    deleted: plain(deleted),
    "request id": isRequestId(fromPath),
  };
  fileId = fromPath.id;
}

async function batches() {
  const created = await client.batches.create(
    {
      input_file_id: fileId,
      endpoint: "/v1/chat/completions",
      completion_window: "24h",
      metadata: { team: "tests", note: "naïve ☃" },
      output_expires_after: { anchor: "created_at", seconds: 7200 },
      job_name: "a journey",
    },
    {
      headers: {
        "x-tfy-provider-name": "sim",
        "x-tfy-metadata": '{"cost-centre": "42"}',
      },
    },
  );
  const last = await ended(created.id);
  batchId = last.id;
  const raw = await client.batches.retrieve(last.id).withResponse();
  const output = await client.files.content(last.output_file_id);
  const errors = await client.files.content(last.error_file_id);
  const outputFile = await client.files.retrieve(last.output_file_id);
  const errorFile = await client.files.retrieve(last.error_file_id);
  const second = await client.batches.create({
    input_file_id: fileId,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
  });
  await ended(second.id);
  const page = await client.batches.list({ limit: 1 });
  const before = requests;
  const listed = await collect(client.batches.list({ limit: 1 }));
  report["batches"] = {
    created: plain(created),
    last: plain(last),
    "raw is the same": JSON.stringify(raw.data) === JSON.stringify(last),
    "raw status": raw.response.status,
    "raw headers": Object.fromEntries(
      ["content-type", "openai-version", "openai-organization", "x-content-type-options"].map(
        (name) => [name, raw.response.headers.get(name)],
      ),
    ),
    "raw processing time": /^\d+$/.test(raw.response.headers.get("openai-processing-ms")),
    "raw request id": raw.response.headers.get("x-request-id") === raw.data._request_id,
    "request id": isRequestId(created),
    "output file": plain(outputFile),
    "error file": plain(errorFile),
    "results live for": outputFile.expires_at - outputFile.created_at,
    "first page": page.data.map((batch) => batch.id === second.id),
    "first page has more": page.has_more,
    listed: same(listed, [second.id, last.id]),
    pages: requests - before,
  };
  report["output"] = await output.text();
  report["error output"] = await errors.text();
}

async function cancelling() {
  const file = await client.files.create({
    file: fs.createReadStream(plan["hanging"]),
    purpose: "batch",
  });
  const batch = await client.batches.create({
    input_file_id: file.id,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
  });
  await until(batch.id, (seen) => seen.request_counts.completed === 2);
  const first = await client.batches.cancel(batch.id);
  const second = await client.batches.cancel(batch.id);
  const last = await ended(batch.id);
  const third = await client.batches.cancel(batch.id);
  const output = await client.files.content(last.output_file_id);
  const errors = await client.files.content(last.error_file_id);
  report["cancelling"] = {
    first: plain(first),
    second: second.status,
    last: plain(last),
    "third is the same": JSON.stringify(third) === JSON.stringify(last),
    done: lines(await output.text()).map((line) => line.custom_id),
    "not done": lines(await errors.text()).map((line) => [
      line.custom_id,
      line.response,
      line.error,
    ]),
  };
}

async function uploads() {
  const data = fs.readFileSync(plan["input"]);
  const third = Math.floor(data.length / 3) + 1;
  const created = await client.uploads.create({
    bytes: data.length,
    filename: "parts.jsonl",
    mime_type: "application/jsonl",
    purpose: "batch",
  });
  const parts = [];
  for (let start = 0; start < data.length; start += third) {
    const part = await toFile(data.subarray(start, start + third), "part");
    parts.push(await client.uploads.parts.create(created.id, { data: part }));
  }
  const whole_ = await client.uploads.complete(created.id, {
    part_ids: parts.map((part) => part.id),
    md5: crypto.createHash("md5").update(data).digest("hex"),
  });
  const givenUp = await client.uploads.create({
    bytes: 10,
    filename: "x.jsonl",
    mime_type: "application/jsonl",
    purpose: "batch",
  });
  const cancelled = await client.uploads.cancel(givenUp.id);
  const content = await client.files.content(whole_.file.id);
  report["uploads"] = {
    created: plain(created),
    part: plain(parts[0]),
    parts: parts.length,
    completed: plain(whole_),
    content: (await content.text()) === text,
    cancelled: cancelled.status,
  };
}

async function errors() {
  const stranger = connect("sk-of-nobody");
  const limited = connect(plan["limited key"]);
  const unknownFile = "file-" + "0".repeat(22);
  const unknownBatch = "batch_" + "0".repeat(32);
  const create = (someone, options, further) =>
    someone.batches.create(
      {
        input_file_id: fileId,
        endpoint: "/v1/chat/completions",
        completion_window: "24h",
        ...options,
      },
      further,
    );
  const upload = async (content, purpose) =>
    client.files.create({ file: await toFile(Buffer.from(content), "x.jsonl"), purpose });
  const cases = {
    "not jsonl": () => upload("no", "batch"),
    "bad purpose": () => upload("{}", "fun"),
    "bad endpoint": () => create(client, { endpoint: "/v1/nothing" }),
    "bad window": () => create(client, { completion_window: "soon" }),
    "bad metadata": () => create(client, { metadata: { tags: ["a"] } }),
    "bad file id": () => create(client, { input_file_id: "wrong-id" }),
    "bad batch id": () => client.batches.retrieve("invalid"),
    "unknown file": () => client.files.retrieve(unknownFile),
    "unknown content": () => client.files.content(unknownFile),
    "unknown batch": () => client.batches.retrieve(unknownBatch),
    "unknown cursor": () => client.batches.list({ after: unknownBatch }),
    "cancel of a completed batch": () => client.batches.cancel(batchId),
    "wrong key": () => stranger.files.list(),
    "provider not allowed": () =>
      create(limited, {}, { headers: { "x-tfy-provider-name": "other" } }),
  };
  report["errors"] = {};
  for (const [name, run] of Object.entries(cases)) {
    report["errors"][name] = await failure(run);
  }
}

// ------------------------------------------------------------------ waiting and failing

const ended = (id) => until(id, (batch) => ENDED.includes(batch.status));

async function until(id, reached) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const batch = await client.batches.retrieve(id);
    if (reached(batch)) return batch;
    if (Date.now() > deadline || ENDED.includes(batch.status)) {
      throw new Error(`${id} is ${batch.status}: ${JSON.stringify(batch.errors)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function failure(run) {
  const before = requests;
  try {
    await run();
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    return {
      class: error.constructor.name,
      status: error.status,
      message: error.error.message,
      type: error.type,
      param: error.param,
      code: error.code,
      "request id": error.requestID.startsWith("req_"),
      requests: requests - before,
    };
  }
  throw new Error("no error");
}

async function collect(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

const plain = (model) => JSON.parse(JSON.stringify(model));
const whole = (page) => plain(page.body);
const same = (items, ids) => items.map((item) => item.id).join() === ids.join();
const isRequestId = (model) => String(model._request_id).startsWith("req_");
const lines = (content) =>
  content
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

await files();
await batches();
await cancelling();
await uploads();
await errors();
console.log(JSON.stringify(report));
