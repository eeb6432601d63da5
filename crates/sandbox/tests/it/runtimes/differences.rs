//! What is not the same on every runtime, as `docs/runtimes.md` lists it.

/// A program and what it shows on each runtime.
pub(super) struct Different {
    pub source: &'static str,
    pub isolate: &'static str,
    /// Where it differs.
    pub local_bun: Option<&'static str>,
    /// Where it differs.
    pub cloudflare_worker: Option<&'static str>,
}

const THREE_LATE_CALLS: &str = "call 1 late.call {\"i\":0} {} Some((1, 69))\ncall 2 late.call {\"i\":1} {} Some((1, 69))\ncall 3 late.call {\"i\":2} {} Some((1, 69))\ndone 1";

pub(super) const DIFFERENT: &[Different] = &[
    // The words of the engine's own errors.
    Different {
        source: "const a: any = {}; try { a.b.c } catch (e: any) { return e.message }",
        isolate: r#"done "cannot read property 'c' of undefined""#,
        local_bun: Some(r#"done "undefined is not an object (evaluating 'a.b.c')""#),
        cloudflare_worker: Some(r#"done "Cannot read properties of undefined (reading 'c')""#),
    },
    // The hint of an absent name, where the program catches the error itself.
    Different {
        source: "try { fetch('x') } catch (e: any) { return e.message.slice(0, 40) }",
        isolate: r#"done "fetch is not defined: programs have no n""#,
        local_bun: Some(r#"done "fetch is not defined""#),
        cloudflare_worker: Some(r#"done "fetch is not defined""#),
    },
    // Code made from text.
    Different {
        source: "return eval('1 + 1') + new Function('return 1')()",
        isolate: "done 3",
        local_bun: None,
        cloudflare_worker: Some(
            "failed Thrown \"EvalError\" \"eval is not available on this runtime\" at Some(1):Some(8) None\n    at <anonymous> (task.ts:1:8)",
        ),
    },
    Different {
        source: "return await eval('import(\"node:fs\")').catch((e: any) => e.message)",
        isolate: r#"done "import is not available in a program: every tool is already a function under tools""#,
        local_bun: None,
        cloudflare_worker: Some(
            "failed Thrown \"EvalError\" \"eval is not available on this runtime\" at Some(1):Some(14) None\n    at <anonymous> (task.ts:1:14)",
        ),
    },
    // Frames of getters and of constructors that nobody wrote.
    Different {
        source: "class A { get x(): number { throw new Error('in a getter') } } new A().x",
        isolate: "failed Thrown \"Error\" \"in a getter\" at Some(1):Some(39) None\n    at get x (task.ts:1:39)\n    at <anonymous> (task.ts:1:72)",
        local_bun: Some(
            "failed Thrown \"Error\" \"in a getter\" at Some(1):Some(39) None\n    at x (task.ts:1:39)\n    at <anonymous> (task.ts:1:72)",
        ),
        cloudflare_worker: None,
    },
    Different {
        source: "class Mine extends Error { name = 'Mine' } throw new Mine('m')",
        isolate: "failed Thrown \"Mine\" \"m\" at Some(1):Some(42) None\n    at Mine (task.ts:1:42)\n    at <anonymous> (task.ts:1:54)",
        local_bun: Some(
            "failed Thrown \"Mine\" \"m\" at Some(1):Some(54) None\n    at <anonymous> (task.ts:1:54)",
        ),
        cloudflare_worker: Some(
            "failed Thrown \"Mine\" \"m\" at Some(1):Some(54) None\n    at <anonymous> (task.ts:1:54)",
        ),
    },
    // What was queued when the program returned still runs.
    Different {
        source: "for (let i = 0; i < 3; i++) Promise.resolve().then(() => tools.late.call({ i })); return 1",
        isolate: "call 1 late.call {\"i\":0} {} Some((1, 69))\ndone 1",
        local_bun: Some(THREE_LATE_CALLS),
        cloudflare_worker: Some(THREE_LATE_CALLS),
    },
    // How deep a program may recurse.
    Different {
        source: "const f = (n: number): number => n ? 1 + f(n - 1) : 0; try { return f(5000) } catch (e: any) { return e.name }",
        isolate: r#"done "RangeError""#,
        local_bun: Some("done 5000"),
        cloudflare_worker: Some("done 5000"),
    },
];
