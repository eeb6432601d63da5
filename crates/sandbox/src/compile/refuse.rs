//! What parses but cannot run here, refused with what to write instead.

use oxc_ast::ast::{
    CallExpression, Decorator, ExportAllDeclaration, ExportFromDeclaration, Expression,
    ImportDeclaration, ImportDeclarationSpecifier, ImportExpression, ImportMeta,
    ImportOrExportKind, Program, TSExportAssignment, TSImportEqualsDeclaration,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::Span;

use super::CompileError;

const NO_MODULES: &str = "programs load no modules: every tool is already a function under `tools`; find one with `await tools.discover({ query: \"…\" })`";

/// Finds the first thing in a program that is refused.
pub(super) fn check(source: &str, program: &Program<'_>) -> Result<(), CompileError> {
    let mut finder = Finder { first: None };
    finder.visit_program(program);
    match finder.first {
        Some((span, message)) => Err(CompileError::at(source, span.start as usize, message)),
        None => Ok(()),
    }
}

struct Finder {
    first: Option<(Span, String)>,
}

impl Finder {
    fn refuse(&mut self, span: Span, what: &str) {
        if self.first.is_none() {
            self.first = Some((span, format!("{what} is not available: {NO_MODULES}")));
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
        if self.first.is_none() {
            self.first = Some((
                it.span,
                "decorators are not available in programs: call the function yourself".into(),
            ));
        }
    }
}
