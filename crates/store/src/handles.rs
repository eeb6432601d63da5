//! Values too large to be carried, kept whole and read on in parts.

use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::access::Scope;
use domain::{HandleId, TaskId};

/// Keeps a value.
///
/// # Errors
/// Those of the database.
pub fn insert(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: &HandleId,
    task_id: &TaskId,
    content: &str,
) -> Result<(), Error> {
    tx.execute(
        "insert into handles (id, organization_id, workspace_id, task_id, content)
         values ($1, $2, $3, $4, $5)",
        &params![
            id,
            scope.organization_id(),
            scope.workspace_id(),
            task_id,
            content
        ],
    )?;
    Ok(())
}

/// A part of a value, and how long the whole is, all in bytes of UTF-8. The part begins and ends
/// between characters: at or before the bytes asked for, but with one character at least, so that
/// whoever reads on from where it ended comes to the end.
///
/// # Errors
/// Those of the database.
pub fn read(
    conn: &mut Reader<'_>,
    scope: &Scope,
    id: &HandleId,
    offset: u64,
    length: u64,
) -> Result<Option<(String, u64)>, Error> {
    let content = conn.one(
        "select content from handles where id = $1 and workspace_id = $2",
        &params![id, scope.workspace_id()],
        |r| r.text(),
    )?;
    Ok(content.map(|content| {
        (
            part(&content, offset, length).to_owned(),
            content.len() as u64,
        )
    }))
}

fn part(content: &str, offset: u64, length: u64) -> &str {
    let within = |n: u64| usize::try_from(n).map_or(content.len(), |n| n.min(content.len()));
    let start = content.floor_char_boundary(within(offset));
    let end = content.floor_char_boundary(within(offset.saturating_add(length)));
    let first = content[start..].chars().next().map_or(0, char::len_utf8);
    &content[start..end.max(start + first)]
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_end_between_characters_and_reading_on_comes_to_the_end() {
        let content = "aé€😀z";
        for length in 0..=content.len() as u64 + 1 {
            let (mut all, mut parts) = (String::new(), 0);
            while all.len() < content.len() {
                all.push_str(part(content, all.len() as u64, length));
                parts += 1;
                assert!(parts <= 5, "length {length} makes no progress");
            }
            assert_eq!(all, content, "length {length}");
        }
        assert_eq!(part(content, 2, 3), "é");
        assert_eq!(part(content, 99, 5), "");
        assert_eq!(part(content, 0, u64::MAX), content);
    }
}
