// Sends every call of a file through swagger-client, which reads styles, forms and credentials from
// the description by itself.
//
// node described.mjs FILE, where FILE is { "spec": …, "calls": [{ "operationId", "parameters",
// "requestBody", "requestContentType", "securities" }] }. A value { "$file": { name, type, base64 } } in a body
// becomes a File. Ends with status 1 at the first call that cannot be sent.

import { readFileSync } from "node:fs";
import SwaggerClient from "swagger-client";

const { spec, calls } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { spec: resolved, errors } = await SwaggerClient.resolve({ spec });
if (errors.length > 0) {
  console.error(errors);
  process.exit(1);
}

function withFiles(value) {
  if (value === null || typeof value !== "object") return value;
  if (value.$file) {
    const { name = "file", type = "application/octet-stream", base64 } = value.$file;
    return new File([Buffer.from(base64, "base64")], name, { type });
  }
  if (Array.isArray(value)) return value.map(withFiles);
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, withFiles(v)]));
}

for (const call of calls) {
  const request = SwaggerClient.buildRequest({
    spec: resolved,
    operationId: call.operationId,
    parameters: call.parameters ?? {},
    requestBody: withFiles(call.requestBody),
    requestContentType: call.requestContentType,
    securities: call.securities && { authorized: call.securities },
  });
  await SwaggerClient.http(request);
}
