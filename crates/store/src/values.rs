//! Large values, stored once in a workspace under their digest and in parts.
//!
//! A row that would carry one carries a reference: the digest and how long the value is, so the
//! hashes of the journal cover the value, and a value read whole is checked against its digest.
//! A value goes when no task refers to it; see `retention`. Rows that carry JSON never look like a
//! reference: no JSON begins with `@`.

use crate::db::params;
use crate::{Error, Reader, Tx};
use domain::canonical::sha256_hex;
use domain::{TaskId, Timestamp, WorkspaceId};
use std::borrow::Cow;
use std::collections::HashMap;

/// Bytes of a value that stands in its row; a larger one is stored apart.
pub const INLINE_BYTES_MAX: usize = 4 << 10;

/// Bytes of one part.
const PART_BYTES: usize = 256 << 10;

/// Bytes of a value that stand for it where it is left out.
const PREVIEW_BYTES: u64 = 200;

/// How much older than its last use a value seems at most before that is written down anew.
const USE_STEP_MS: i64 = 3_600_000;

/// A value as a row refers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    digest: String,
    bytes: u64,
}

impl Reference {
    /// Reads what stands in a row; none if that is the value itself.
    pub(crate) fn parse(stored: &str) -> Option<Self> {
        let (digest, bytes) = stored.strip_prefix('@')?.split_once(':')?;
        Some(Self {
            digest: digest.to_owned(),
            bytes: bytes.parse().ok()?,
        })
    }

    fn of(text: &str) -> Option<Self> {
        (text.len() > INLINE_BYTES_MAX).then(|| Self {
            digest: sha256_hex(text.as_bytes()),
            bytes: text.len() as u64,
        })
    }

    fn text(&self) -> String {
        format!("@{}:{}", self.digest, self.bytes)
    }
}

/// The digest of a value as a row has it, unless the row names another.
pub(crate) fn digest(stored: &str, named: String) -> String {
    if !named.is_empty() {
        return named;
    }
    Reference::parse(stored).map_or_else(|| sha256_hex(stored.as_bytes()), |found| found.digest)
}

/// What a row names as the digest of a value: nothing where [`digest`] finds it by itself.
pub(crate) fn own_digest<'d>(stored: &str, named: &'d str) -> &'d str {
    if digest(stored, String::new()) == named {
        ""
    } else {
        named
    }
}

/// What stands in a row for a value of a task: the value, or a reference to where it is kept now.
///
/// # Errors
/// [`Error::Conflict`] if there is no such task; those of the database.
pub(crate) fn keep<'t>(
    tx: &mut Tx<'_>,
    task_id: &TaskId,
    text: &'t str,
    now: Timestamp,
) -> Result<Cow<'t, str>, Error> {
    let Some(reference) = Reference::of(text) else {
        return Ok(Cow::Borrowed(text));
    };
    let (organization_id, workspace_id) = tx
        .one(
            "select organization_id, workspace_id from tasks where id = $1",
            &params![task_id],
            |r| Ok((r.text()?, r.text()?)),
        )?
        .ok_or_else(|| Error::Conflict("value_holders_task".to_owned()))?;
    let digest = &reference.digest;
    // Held until the commit, so that nobody removes it in between.
    let kept_at = tx.one(
        "select kept_at from stored_values where workspace_id = $1 and digest = $2 for update",
        &params![&workspace_id, digest],
        |r| r.time(),
    )?;
    match kept_at {
        Some(at) if now.0 - at.0 > USE_STEP_MS => {
            tx.execute(
                "update stored_values set kept_at = $3 where workspace_id = $1 and digest = $2",
                &params![&workspace_id, digest, now],
            )?;
        }
        Some(_) => {}
        None => {
            tx.execute(
                "insert into stored_values (workspace_id, digest, organization_id, bytes, kept_at)
                 values ($1, $2, $3, $4, $5)
                 on conflict (workspace_id, digest) do nothing",
                &params![
                    &workspace_id,
                    digest,
                    &organization_id,
                    reference.bytes,
                    now
                ],
            )?;
            insert_parts(tx, &workspace_id, digest, text)?;
        }
    }
    tx.execute(
        "insert into value_holders (task_id, digest, workspace_id)
         values ($1, $2, $3)
         on conflict (task_id, digest) do nothing",
        &params![task_id, digest, &workspace_id],
    )?;
    Ok(Cow::Owned(reference.text()))
}

fn insert_parts(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    digest: &str,
    text: &str,
) -> Result<(), Error> {
    let mut begins = 0;
    while begins < text.len() {
        let end = text.floor_char_boundary(begins + PART_BYTES);
        // Another server may have put the same value there since it was looked for.
        tx.execute(
            "insert into value_parts (workspace_id, digest, begins, content)
             values ($1, $2, $3, $4)
             on conflict (workspace_id, digest, begins) do nothing",
            &params![workspace_id, digest, begins as u64, &text[begins..end]],
        )?;
        begins = end;
    }
    Ok(())
}

/// Values of one workspace, read whole; each is read and checked once.
pub(crate) struct Whole<'w> {
    workspace_id: &'w WorkspaceId,
    known: HashMap<String, Option<String>>,
}

impl<'w> Whole<'w> {
    pub(crate) fn of(workspace_id: &'w WorkspaceId) -> Self {
        Self {
            workspace_id,
            known: HashMap::new(),
        }
    }

    /// The value that stands in a row or that the row refers to; none if it is gone or not what the
    /// row refers to.
    pub(crate) fn value(
        &mut self,
        conn: &mut Reader<'_>,
        stored: String,
    ) -> Result<Option<String>, Error> {
        let Some(reference) = Reference::parse(&stored) else {
            return Ok(Some(stored));
        };
        if let Some(known) = self.known.get(&reference.digest) {
            return Ok(known.clone());
        }
        let parts = conn.all(
            "select content
             from value_parts
             where workspace_id = $1 and digest = $2
             order by begins",
            &params![self.workspace_id, &reference.digest],
            |r| r.text(),
        )?;
        let text = parts.concat();
        let value = (sha256_hex(text.as_bytes()) == reference.digest).then_some(text);
        self.known.insert(reference.digest, value.clone());
        Ok(value)
    }

    /// The same, where the row is no part of a journal.
    pub(crate) fn sound(&mut self, conn: &mut Reader<'_>, stored: String) -> Result<String, Error> {
        self.value(conn, stored)?.ok_or_else(|| {
            Error::Corrupt("a large value was changed after it was written, or is gone".to_owned())
        })
    }
}

/// What stands for a large value in a list: how long it is and how it begins.
pub(crate) fn left_out(
    conn: &mut Reader<'_>,
    workspace_id: &WorkspaceId,
    stored: String,
) -> Result<String, Error> {
    let Some(reference) = Reference::parse(&stored) else {
        return Ok(stored);
    };
    let preview = read(conn, workspace_id, &reference, 0, PREVIEW_BYTES)?;
    Ok(serde_json::json!({
        "$leftOut": true,
        "bytes": reference.bytes,
        "preview": preview.map_or_else(String::new, |part| part.text),
    })
    .to_string())
}

/// A part of a text that is read page by page. All numbers count bytes of UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The part. It begins and ends between characters: at or before the bytes asked for, but with
    /// one character at least, so that whoever reads on from where it ended comes to the end.
    pub text: String,
    /// Where it begins.
    pub offset: u64,
    /// How long the whole is.
    pub bytes: u64,
}

/// Reads a part of a value that is kept apart, and only the parts of it that are asked for.
pub(crate) fn read(
    conn: &mut Reader<'_>,
    workspace_id: &WorkspaceId,
    reference: &Reference,
    offset: u64,
    length: u64,
) -> Result<Option<Part>, Error> {
    let offset = offset.min(reference.bytes);
    let parts = conn.all(
        "select begins, content
         from value_parts
         where workspace_id = $1 and digest = $2 and begins >= $3 and begins <= $4
         order by begins",
        &params![
            workspace_id,
            &reference.digest,
            i64::try_from(offset).unwrap_or(i64::MAX) - PART_BYTES as i64,
            offset.saturating_add(length),
        ],
        |r| Ok((r.int()?.unsigned_abs(), r.text()?)),
    )?;
    let Some(begins) = parts.first().map(|(begins, _)| *begins) else {
        return Ok(None);
    };
    let text: String = parts.into_iter().map(|(_, content)| content).collect();
    let found = part(&text, offset - begins, length);
    Ok(Some(Part {
        offset: begins + found.offset,
        bytes: reference.bytes,
        text: found.text,
    }))
}

/// A part of a text.
pub(crate) fn part(content: &str, offset: u64, length: u64) -> Part {
    let within = |n: u64| usize::try_from(n).map_or(content.len(), |n| n.min(content.len()));
    let start = content.floor_char_boundary(within(offset));
    let end = content.floor_char_boundary(within((start as u64).saturating_add(length)));
    let first = content[start..].chars().next().map_or(0, char::len_utf8);
    Part {
        text: content[start..end.max(start + first)].to_owned(),
        offset: start as u64,
        bytes: content.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::{INLINE_BYTES_MAX, Reference, part};

    #[test]
    fn parts_end_between_characters_and_reading_on_comes_to_the_end() {
        let content = "aé€😀z";
        for length in 0..=content.len() as u64 + 1 {
            let (mut all, mut parts) = (String::new(), 0);
            while all.len() < content.len() {
                let next = part(content, all.len() as u64, length);
                assert_eq!(next.offset, all.len() as u64);
                all.push_str(&next.text);
                parts += 1;
                assert!(parts <= 5, "length {length} makes no progress");
            }
            assert_eq!(all, content, "length {length}");
        }
        let inside = part(content, 2, 3);
        assert_eq!((inside.text.as_str(), inside.offset), ("é", 1));
        assert_eq!(part(content, 99, 5).text, "");
        assert_eq!(part(content, 0, u64::MAX).text, content);
    }

    #[test]
    fn a_reference_reads_back_and_no_json_is_one() {
        let reference = Reference::of(&"x".repeat(INLINE_BYTES_MAX + 1)).unwrap();
        assert_eq!(Reference::parse(&reference.text()), Some(reference));
        assert_eq!(Reference::of(&"x".repeat(INLINE_BYTES_MAX)), None);
        for json in ["{}", "\"@a:1\"", "[]", "1", "null"] {
            assert_eq!(Reference::parse(json), None, "{json}");
        }
    }
}
