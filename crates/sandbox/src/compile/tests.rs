use super::compile;

#[test]
fn dbg() {
    for s in ["const r = await tools.git_hub.issues['create-it']({\n  title: 'x', nested: { a: [1, undefined] } },\n  { meta: true });\nreturn r", "const a: number = 1;\nawait tools.a.b({ a });\nnull.x;\n", "const f = () => {\n  throw new RangeError('bad ' + A.B);\n};\nawait tools.a.b({});\nf({ y: 'a' });"] {
        let p = compile(s, 10000).unwrap();
        println!("{}", p.code());
        println!("{:?}", p.places);
    }
}
