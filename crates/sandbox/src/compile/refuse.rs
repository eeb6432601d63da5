//! What parses but cannot run here, refused with what to write instead.

use oxc_ast::ast::{
    AccessorProperty, ArrowFunctionExpression, AwaitExpression, BlockStatement, CallExpression,
    Declaration, Decorator, ExportAllDeclaration, ExportDeclaration, ExportDefaultDeclaration,
    ExportFromDeclaration, ExportNamedDeclaration, Expression, Function, FunctionBody,
    ImportDeclaration, ImportDeclarationSpecifier, ImportExpression, ImportMeta,
    ImportOrExportKind, Program, Statement, TSEnumDeclaration, TSExportAssignment,
    TSExternalModuleDeclaration, TSGlobalDeclaration, TSImportEqualsDeclaration, TSModuleBlock,
    TSNamespaceDeclaration, VariableDeclarationKind,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::Span;
use oxc_syntax::scope::ScopeFlags;

use super::CompileError;

const NO_MODULES: &str = "programs load no modules: every tool is already a function under `tools`; find one with `await tools.discover({ query: \"…\" })`";

/// Finds the first thing in a program that is refused.
pub(super) fn check(source: &str, program: &Program<'_>) -> Result<(), CompileError> {
    let mut finder = Finder {
        first: None,
        blocks: 0,
        sealed: false,
    };
    finder.visit_program(program);
    match finder.first {
        Some((span, message)) => Err(CompileError::at(source, span.start as usize, message)),
        None => Ok(()),
    }
}

struct Finder {
    first: Option<(Span, String)>,
    /// Blocks and functions around this point, since the last namespace.
    blocks: usize,
    /// Whether this point is in an enum or namespace, which become functions that are not async.
    sealed: bool,
}

impl Finder {
    fn refuse(&mut self, span: Span, what: &str) {
        self.refuse_for(span, &format!("{what} is not available: {NO_MODULES}"));
    }

    fn refuse_inside(&mut self, span: Span) {
        if self.blocks > 0 {
            self.refuse_for(span, "`export` cannot stand inside a block; leave it out");
        }
    }

    /// Visits what lies in a function of its own.
    fn within(&mut self, sealed: bool, visit: impl FnOnce(&mut Self)) {
        let around = std::mem::replace(&mut self.sealed, sealed);
        visit(self);
        self.sealed = around;
    }

    fn refuse_for(&mut self, span: Span, message: &str) {
        if self.first.is_none() {
            self.first = Some((span, message.to_owned()));
        }
    }
}

/// Whether an import brings in types only, which leave no trace.
fn is_type_only(import: &ImportDeclaration<'_>) -> bool {
    let all_types = import.specifiers.as_ref().is_some_and(|specifiers| {
        !specifiers.is_empty()
            && specifiers
                .iter()
                .all(|s| matches!(s, ImportDeclarationSpecifier::ImportSpecifier(s) if s.import_kind == ImportOrExportKind::Type))
    });
    import.import_kind == ImportOrExportKind::Type || all_types
}

impl<'a> Visit<'a> for Finder {
    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        if !is_type_only(it) {
            self.refuse(it.span, "import");
        }
    }

    fn visit_export_from_declaration(&mut self, it: &ExportFromDeclaration<'a>) {
        if it.export_kind != ImportOrExportKind::Type {
            self.refuse(it.span, "export … from");
        }
    }

    fn visit_export_all_declaration(&mut self, it: &ExportAllDeclaration<'a>) {
        if it.export_kind != ImportOrExportKind::Type {
            self.refuse(it.span, "export * from");
        }
    }

    fn visit_ts_import_equals_declaration(&mut self, it: &TSImportEqualsDeclaration<'a>) {
        self.refuse(it.span, "import =");
    }

    fn visit_ts_export_assignment(&mut self, it: &TSExportAssignment<'a>) {
        self.refuse(it.span, "export = (return the result instead)");
    }

    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
        self.refuse(it.span, "import()");
    }

    fn visit_import_meta(&mut self, it: &ImportMeta) {
        self.refuse(it.span, "import.meta");
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        let names_a_module = matches!(
            it.arguments.first().and_then(|a| a.as_expression()),
            Some(Expression::StringLiteral(_))
        );
        if names_a_module && it.arguments.len() == 1 && it.callee_name() == Some("require") {
            self.refuse(it.span, "require()");
        }
        walk::walk_call_expression(self, it);
    }

    fn visit_decorator(&mut self, it: &Decorator<'a>) {
        self.refuse_for(
            it.span,
            "decorators are not available in programs: call the function yourself",
        );
    }

    fn visit_accessor_property(&mut self, it: &AccessorProperty<'a>) {
        self.refuse_for(
            it.span,
            "`accessor` is not available in programs: write a getter and a setter over a private \
             field",
        );
    }

    fn visit_ts_namespace_declaration(&mut self, it: &TSNamespaceDeclaration<'a>) {
        // What is only declared leaves no trace.
        if !it.declare {
            walk::walk_ts_namespace_declaration(self, it);
        }
    }

    fn visit_ts_external_module_declaration(&mut self, _: &TSExternalModuleDeclaration<'a>) {}

    fn visit_ts_global_declaration(&mut self, _: &TSGlobalDeclaration<'a>) {}

    fn visit_block_statement(&mut self, it: &BlockStatement<'a>) {
        self.blocks += 1;
        walk::walk_block_statement(self, it);
        self.blocks -= 1;
    }

    fn visit_function_body(&mut self, it: &FunctionBody<'a>) {
        self.blocks += 1;
        walk::walk_function_body(self, it);
        self.blocks -= 1;
    }

    fn visit_export_declaration(&mut self, it: &ExportDeclaration<'a>) {
        self.refuse_inside(it.span);
        walk::walk_export_declaration(self, it);
    }

    fn visit_export_named_declaration(&mut self, it: &ExportNamedDeclaration<'a>) {
        self.refuse_inside(it.span);
        if self.sealed {
            self.refuse_for(
                it.span,
                "a namespace exports declarations alone: write `export` before what is declared",
            );
        }
    }

    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        self.within(false, |this| walk::walk_function(this, it, flags));
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        self.within(false, |this| {
            walk::walk_arrow_function_expression(this, it);
        });
    }

    fn visit_ts_enum_declaration(&mut self, it: &TSEnumDeclaration<'a>) {
        self.within(true, |this| walk::walk_ts_enum_declaration(this, it));
    }

    fn visit_await_expression(&mut self, it: &AwaitExpression<'a>) {
        if self.sealed {
            self.refuse_for(
                it.span,
                "`await` cannot stand in an enum or a namespace; wait before it",
            );
        }
        walk::walk_await_expression(self, it);
    }

    fn visit_export_default_declaration(&mut self, it: &ExportDefaultDeclaration<'a>) {
        self.refuse_inside(it.span);
        walk::walk_export_default_declaration(self, it);
    }

    fn visit_ts_module_block(&mut self, it: &TSModuleBlock<'a>) {
        let blocks = std::mem::take(&mut self.blocks);
        for statement in &it.body {
            if let Statement::ExportDeclaration(export) = statement
                && let Declaration::VariableDeclaration(variables) = &export.declaration
                && !variables.declare
                && variables.kind != VariableDeclarationKind::Const
            {
                self.refuse_for(
                    variables.span,
                    "a namespace cannot export what changes: write `export const`, or export a \
                     function that gives the value",
                );
            }
        }
        self.within(true, |this| walk::walk_ts_module_block(this, it));
        self.blocks = blocks;
    }
}
