await tools.bench.go({});
const rows = [];
for (let i = 0; i < 100000; i++) rows.push({ id: i, group: "g" + (i * 7919) % 100, amount: (i * 104729) % 10007 });
const kept = rows.filter((row) => row.amount % 3 !== 0);
kept.sort((a, b) => a.amount - b.amount || a.id - b.id);
const totals = new Map();
for (const row of kept) totals.set(row.group, (totals.get(row.group) ?? 0) + row.amount);
return [kept.length, totals.size, totals.get("g0")];
