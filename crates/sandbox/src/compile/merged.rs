//! Namespaces in several blocks, where one block names what another exports.
//!
//! TypeScript lets it be named plainly; the transformer leaves the name as it is, which then means
//! something else or nothing. Such a name is refused with what to write instead. A program with no
//! such blocks costs one look at its statements.

use std::collections::{HashMap, HashSet};

use oxc_ast::ast::{
    BindingIdentifier, Declaration, IdentifierReference, Program, Statement,
    TSNamespaceDeclaration, TSNamespaceDeclarationBody,
};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::Scoping;
use oxc_span::Span;
use oxc_syntax::scope::ScopeId;

use super::CompileError;

/// Finds the first name of another block.
pub(super) fn check(
    source: &str,
    program: &Program<'_>,
    scoping: &Scoping,
) -> Result<(), CompileError> {
    let mut blocks = Blocks::default();
    for statement in &program.body {
        let declaration = if let Statement::ExportDeclaration(export) = statement {
            Some(&export.declaration)
        } else {
            statement.as_declaration()
        };
        if let Some(Declaration::TSNamespaceDeclaration(it)) = declaration {
            blocks.visit_ts_namespace_declaration(it);
        }
    }
    let several: HashMap<String, HashSet<String>> = blocks
        .exports
        .into_iter()
        .filter(|(_, (count, names))| *count > 1 && !names.is_empty())
        .map(|(path, (_, names))| (path, names))
        .collect();
    if several.is_empty() {
        return Ok(());
    }
    let mut finder = Finder {
        scoping,
        several,
        around: Vec::new(),
        path: Vec::new(),
        found: None,
    };
    finder.visit_program(program);
    match finder.found {
        None => Ok(()),
        Some((span, namespace, name)) => Err(CompileError::at(
            source,
            span.start as usize,
            format!(
                "`{name}` is exported by another block of the namespace {namespace}: write \
                 `{namespace}.{name}`"
            ),
        )),
    }
}

/// How many blocks each namespace has, and what they export.
#[derive(Default)]
struct Blocks {
    path: Vec<String>,
    exports: HashMap<String, (usize, HashSet<String>)>,
}

/// The names that a declaration binds.
struct Names(HashSet<String>);

impl<'a> Visit<'a> for Names {
    fn visit_binding_identifier(&mut self, it: &BindingIdentifier<'a>) {
        self.0.insert(it.name.to_string());
    }
}

fn exported(declaration: &Declaration<'_>) -> HashSet<String> {
    let mut names = Names(HashSet::new());
    if let Declaration::VariableDeclaration(it) = declaration {
        it.declarations
            .iter()
            .for_each(|d| names.visit_binding_pattern(&d.id));
    } else if let Some(id) = declaration.id() {
        names.visit_binding_identifier(id);
    }
    names.0
}

impl<'a> Visit<'a> for Blocks {
    fn visit_ts_namespace_declaration(&mut self, it: &TSNamespaceDeclaration<'a>) {
        self.path.push(it.id.name.to_string());
        let of_path = self.exports.entry(self.path.join(".")).or_default();
        of_path.0 += 1;
        match &it.body {
            TSNamespaceDeclarationBody::TSModuleBlock(block) => {
                for statement in &block.body {
                    if let Statement::ExportDeclaration(export) = statement
                        && !export.declaration.is_type()
                    {
                        of_path.1.extend(exported(&export.declaration));
                    }
                }
            }
            TSNamespaceDeclarationBody::TSNamespaceDeclaration(inner) => {
                of_path.1.insert(inner.id.name.to_string());
            }
        }
        walk::walk_ts_namespace_declaration(self, it);
        self.path.pop();
    }
}

struct Finder<'s> {
    scoping: &'s Scoping,
    several: HashMap<String, HashSet<String>>,
    /// The namespaces around this point that have several blocks, with the scope of this one.
    around: Vec<(String, Option<ScopeId>)>,
    path: Vec<String>,
    found: Option<(Span, String, String)>,
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_ts_namespace_declaration(&mut self, it: &TSNamespaceDeclaration<'a>) {
        self.path.push(it.id.name.to_string());
        let path = self.path.join(".");
        let several = self.several.contains_key(&path);
        if several {
            self.around.push((path, it.scope_id.get()));
        }
        walk::walk_ts_namespace_declaration(self, it);
        if several {
            self.around.pop();
        }
        self.path.pop();
    }

    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        let Some(reference) = it.reference_id.get() else {
            return;
        };
        let symbol = self.scoping.get_reference(reference).symbol_id();
        for (path, scope) in self.around.iter().rev() {
            let is_inside = symbol.is_some_and(|symbol| {
                let declared = self.scoping.symbol_scope_id(symbol);
                self.scoping
                    .scope_ancestors(declared)
                    .any(|around| Some(around) == *scope)
            });
            if is_inside {
                return;
            }
            if self.several[path].contains(it.name.as_str()) && self.found.is_none() {
                self.found = Some((it.span, path.clone(), it.name.to_string()));
            }
        }
    }
}
