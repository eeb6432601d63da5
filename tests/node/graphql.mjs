// GraphQL's reference implementation as the judge of what the product writes, and as a server.
//
//   node graphql.mjs validate FILE   FILE is { "schema": path, "requests": [{ path, query, variables }] };
//                                    prints what is wrong, as JSON: an empty list if nothing is.
//   node graphql.mjs serve [TOKEN]   serves shop.graphql on a free port of loopback and prints its address.
//                                    With TOKEN it wants that bearer token. What it executed is at /received.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import {
  buildSchema,
  getOperationAST,
  getVariableValues,
  graphql,
  GraphQLError,
  parse,
  validate,
} from "graphql";

const [mode, argument] = process.argv.slice(2);

function validated() {
  const { schema: file, requests } = JSON.parse(readFileSync(argument, "utf8"));
  const schema = buildSchema(readFileSync(file, "utf8"), { assumeValidSDL: true });
  const wrong = [];
  for (const { path, query, variables } of requests) {
    try {
      const document = parse(query);
      const errors = [...validate(schema, document)];
      const operation = getOperationAST(document);
      const coerced = getVariableValues(schema, operation.variableDefinitions ?? [], variables ?? {});
      errors.push(...(coerced.errors ?? []));
      wrong.push(...errors.map((e) => ({ path, message: e.message, query })));
    } catch (e) {
      wrong.push({ path, message: e.message, query });
    }
  }
  console.log(JSON.stringify(wrong));
}

function served() {
  const schema = buildSchema(readFileSync(new URL("shop.graphql", import.meta.url), "utf8"));
  const item = (id, name) => ({ __typename: "Item", id, name, price: 3.5, state: "OPEN", tags: ["hot"] });
  const user = { __typename: "User", id: "u1", login: "ada", state: "ACTIVE", name: "Ada", friend: { id: "u2", login: "bob", state: "ACTIVE" } };
  const received = [];
  const fields = {
    me: () => user,
    item: ({ id }) => (id === "0" ? null : item(id, "coffee")),
    items: ({ first }) => ({
      totalCount: 2,
      pageInfo: { hasNextPage: false, endCursor: "c2" },
      nodes: [item("1", "coffee"), item("2", "tea")].slice(0, first),
    }),
    search: () => [item("1", "coffee"), user],
    node: ({ id }) => (id.startsWith("u") ? user : item(id, "coffee")),
    echo: (args) => args,
    picky: ({ select }) => ({ ...user, name: select }),
    fails: () => {
      throw new GraphQLError("it always fails", { extensions: { code: "ALWAYS" } });
    },
    partly: () => ({
      good: "yes",
      bad: () => {
        throw new GraphQLError("half of it fails");
      },
    }),
    createItem: ({ input }) => ({ item: { ...item("9", input.name), price: input.price } }),
    deleteItem: () => true,
  };
  // Whatever runs is noted, with the arguments as it got them.
  const root = Object.fromEntries(
    Object.entries(fields).map(([name, run]) => [
      name,
      (args) => {
        received.push({ field: name, args });
        return run(args);
      },
    ]),
  );
  const server = createServer(async (request, response) => {
    const answer = (status, body) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    if (request.url === "/received") {
      return answer(200, received);
    }
    if (request.url !== "/graphql") {
      return answer(404, { error: "nothing here" });
    }
    if (request.method !== "POST") {
      return answer(405, { errors: [{ message: "POST a query" }] });
    }
    if (argument && request.headers.authorization !== `Bearer ${argument}`) {
      return answer(401, { errors: [{ message: "who are you?" }] });
    }
    let text = "";
    for await (const chunk of request) {
      text += chunk;
    }
    const { query, variables, operationName } = JSON.parse(text);
    const result = await graphql({
      schema,
      source: query,
      rootValue: root,
      variableValues: variables,
      operationName,
    });
    answer(result.data === undefined ? 400 : 200, result);
  });
  server.listen(0, "127.0.0.1", () => {
    console.log(`http://127.0.0.1:${server.address().port}`);
  });
  // The test that started this ends it, or its own end does.
  process.stdin.resume();
  process.stdin.on("end", () => process.exit(0));
}

if (mode === "validate") {
  validated();
} else if (mode === "serve") {
  served();
} else {
  console.error("usage: graphql.mjs validate FILE | serve [TOKEN]");
  process.exit(2);
}
