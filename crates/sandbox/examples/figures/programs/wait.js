console.log("first");
return await tools.bench.wait({});
