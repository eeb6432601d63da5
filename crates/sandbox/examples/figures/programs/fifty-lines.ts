interface Issue {
  id: number;
  title: string;
  state: "open" | "closed";
  labels: { name: string }[];
  assignee?: { login: string } | null;
  createdAt: string;
}

type Summary = Record<string, { open: number; closed: number; titles: string[] }>;

const DAY_MS = 24 * 60 * 60 * 1000;

async function allIssues(repository: string): Promise<Issue[]> {
  const found: Issue[] = [];
  for (let page = 1; page <= 10; page++) {
    const batch: Issue[] = await tools.github.issues.list({ repository, page, perPage: 100 });
    found.push(...batch);
    if (batch.length < 100) break;
  }
  return found;
}

function summarize(issues: Issue[]): Summary {
  const summary: Summary = {};
  for (const issue of issues) {
    const who = issue.assignee?.login ?? "nobody";
    const entry = (summary[who] ??= { open: 0, closed: 0, titles: [] });
    entry[issue.state]++;
    if (issue.state === "open") entry.titles.push(issue.title.slice(0, 60));
  }
  return summary;
}

const since = Date.now() - 30 * DAY_MS;
const repositories = ["acme/web", "acme/api", "acme/docs"];
const lists = await Promise.all(repositories.map((name) => allIssues(name)));
const recent = lists.flat().filter((issue) => Date.parse(issue.createdAt) >= since);
console.log(`${recent.length} issues of the last thirty days`);

const stale = recent.filter((issue) => issue.labels.some(({ name }) => /stale|wontfix/i.test(name)));
for (const { id, title } of stale) {
  try {
    await tools.github.issues.close({ id, comment: `Closed as stale: ${title}` });
  } catch (error) {
    if (error instanceof ToolError && error.code === "denied_by_policy") continue;
    throw error;
  }
}

return { summary: summarize(recent), closed: stale.length };
