// Two writes at once are two questions at once. Each is sent when its own answer comes; the program
// goes on when both have come. Kill the server in between: after its restart nothing is lost and
// nothing is sent twice.
const pay = (to: string, amount: number) =>
  tools.ledger.payments.create({ from: "acc_operations", to, amount, memo: "Transfer" });

const [travel, reserve] = await Promise.all([pay("acc_travel", 1000), pay("acc_reserve", 2500)]);
return [travel.id, reserve.id];
