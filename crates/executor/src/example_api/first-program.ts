// Nothing is loaded up front: a program looks for what it needs.
const found = await tools.discover("accounts with balances");
console.log("best match:", found.bestPath);

const { accounts } = await tools.ledger.accounts.list();
for (const account of accounts) {
  console.log(`${account.name}: ${(account.balance / 100).toFixed(2)}`);
}

// A write: policy asks a person before it is sent.
const payment = await tools.ledger.payments.create({
  from: "acc_operations",
  to: "acc_travel",
  amount: 12500,
  memo: "Train tickets",
});

const travel = await tools.ledger.accounts.get({ accountId: "acc_travel" });
return { payment: payment.id, travelBalance: travel.balance };
