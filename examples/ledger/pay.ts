// A write asks a person, who sees exactly what will be sent. A denial is an error like any other:
// the program may catch it and go on.
try {
  const payment = await tools.ledger.payments.create({
    from: "acc_operations",
    to: "acc_travel",
    amount: 4200,
    memo: "Hotel",
  });
  return { paid: true, payment: payment.id };
} catch (error) {
  if (!(error instanceof ToolError) || error.code !== "approval_denied") throw error;
  console.warn("not paid:", error.message);
  return { paid: false };
}
