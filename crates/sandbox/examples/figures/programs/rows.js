const rows = await tools.bench.rows({});
return rows.length;
