// Reads only: by default policy lets reads through, so nobody is asked.
interface Account {
  id: string;
  name: string;
  balance: number; // cents
}

const found = await tools.discover({ query: "accounts with balances", limit: 3 });
console.info("tools that fit:", found.results.map((tool) => tool.path).join(", "));

const { accounts }: { accounts: Account[] } = await tools.ledger.accounts.list();
const total = accounts.reduce((sum, account) => sum + account.balance, 0);

for (const { name, balance } of accounts) {
  console.log(name.padEnd(12), `${((100 * balance) / total).toFixed(1)} %`);
}
return { accounts: accounts.length, total };
