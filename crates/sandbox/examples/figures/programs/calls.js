let sum = 0;
for (let i = 0; i < 200; i++) sum += (await tools.bench.echo({ n: i, text: "a hundred bytes or so, as most arguments of tools are: a name, an id, a line" })).n;
return sum;
