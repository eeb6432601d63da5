//! A `select` whose conditions depend on a filter.

use super::{Param, Reader, Row};
use crate::Error;

/// A `select` whose conditions depend on a filter: only those that are set are in the text, so that
/// both planners see which index fits.
pub(crate) struct Select<'a> {
    sql: String,
    params: Vec<Param<'a>>,
}

impl<'a> Select<'a> {
    /// A statement up to and including its first conditions, which use the parameters given.
    pub(crate) fn new(sql: String, params: impl IntoIterator<Item = Param<'a>>) -> Self {
        Self {
            sql,
            params: params.into_iter().collect(),
        }
    }

    fn push(&mut self, text: &str, params: impl IntoIterator<Item = Param<'a>>) {
        let mut params = params.into_iter();
        for (i, part) in text.split('?').enumerate() {
            if i > 0 {
                self.params.extend(params.next());
                self.sql.push('$');
                self.sql.push_str(&self.params.len().to_string());
            }
            self.sql.push_str(part);
        }
    }

    /// One more condition; each `?` stands for the next of its parameters.
    pub(crate) fn and(mut self, text: &str, params: impl IntoIterator<Item = Param<'a>>) -> Self {
        self.sql.push_str("\n and ");
        self.push(text, params);
        self
    }

    /// Order and limit, then the rows.
    pub(crate) fn all<T>(
        mut self,
        conn: &mut Reader<'_>,
        order: &str,
        limit: u32,
        row: impl FnMut(&mut Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.push(&format!("\n {order} limit ?"), [Param::from(limit)]);
        conn.all(&self.sql, &self.params, row)
    }
}
