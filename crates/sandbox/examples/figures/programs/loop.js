await tools.bench.go({});
let x = 0;
for (let i = 0; i < 5000000; i++) x = (x * 31 + i) % 1000003;
return x;
