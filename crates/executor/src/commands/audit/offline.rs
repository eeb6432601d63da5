//! Verifies an export of the audit chain with nothing but the export, and what was kept elsewhere.
//!
//! Every hash is recomputed. What the export says of itself is believed in two places alone, and the
//! verdict says so: after which entry it begins, unless a signed anchor stands there, and whose key
//! signs, unless one was given.

use crate::failure::{Failure, Result};
use api::audit::{AuditCheckpoint, AuditHeader, AuditLine, ExportedEntry};
use domain::audit::{AuditDraft, AuditEntry, Chain, Checkpoint, CheckpointKind, Fault, Origin};
use serde::Serialize;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// The form that is read.
const FORMAT: &str = "executor-audit-export-1";

/// What was found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verdict {
    /// Whether everything fits.
    pub(crate) intact: bool,
    /// Whose chain it is.
    pub(crate) organization_id: Option<String>,
    /// How many entries are good, up to the first bad one.
    pub(crate) entries: u64,
    /// The entry after which the export begins.
    pub(crate) begins_after: i64,
    /// Whether that is signed, where it is not the beginning of the chain.
    pub(crate) anchored: bool,
    /// The place of the last good entry.
    pub(crate) sequence: i64,
    /// Its hash.
    pub(crate) head: String,
    /// How many checkpoints were compared, those kept elsewhere included.
    pub(crate) checkpoints: u64,
    /// What checked their signatures.
    pub(crate) public_key: Option<String>,
    /// The place of the first bad entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_bad: Option<i64>,
    /// What is wrong with it, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wrong: Option<&'static str>,
    /// The line of the export it stands on, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u64>,
    /// What is wrong, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

impl Verdict {
    /// For people.
    pub(crate) fn told(&self) -> String {
        let beginning = match (self.begins_after, self.anchored) {
            (0, _) => String::new(),
            (n, true) => format!(" after entry {n}, which is signed"),
            (n, false) => format!(" after entry {n}, by the export's own word"),
        };
        let tail = if self.checkpoints == 0 {
            "no checkpoint to compare with: a tail that was cut off would not show"
        } else {
            "every checkpoint fits"
        };
        format!(
            "{} entries{beginning}, every one follows from the one before; {tail}\nhead {} at entry {}",
            self.entries, self.head, self.sequence
        )
    }
}

/// A walk through an export, line by line.
pub(crate) struct Walk {
    kept: Vec<Checkpoint>,
    key: Option<String>,
    header: Option<AuditHeader>,
    chain: Chain,
    /// Places and hashes that checkpoints may be about; those kept elsewhere are looked for as the
    /// walk passes them, those of the export come after its entries.
    seen: std::collections::HashMap<i64, String>,
    compared: u64,
    anchored: bool,
    lines: u64,
    bad: Option<(u64, Fault)>,
}

fn fault(sequence: i64, message: String) -> Fault {
    Fault {
        sequence,
        wrong: domain::audit::Wrong::Unlinked,
        message,
    }
}

impl Walk {
    /// With checkpoints that were kept elsewhere, and the key that must have signed.
    ///
    /// # Errors
    /// When one of them is not signed, or by another key than the others.
    pub(crate) fn new(kept: Vec<AuditCheckpoint>, public_key: Option<String>) -> Result<Self> {
        let mut key = public_key;
        let mut read = Vec::new();
        for checkpoint in kept {
            let at = checkpoint.sequence;
            let checkpoint = self::checkpoint(checkpoint).ok_or_else(|| {
                Failure::usage(format!("the checkpoint at entry {at} is unreadable"))
            })?;
            let key = key.get_or_insert_with(|| checkpoint.public_key.clone());
            if !is_signed(&checkpoint, key) {
                let message = format!("the checkpoint at entry {at} is not signed by {key}");
                return Err(Failure::failed("bad_checkpoint", message)
                    .next("take one that was kept where nobody could change it"));
            }
            read.push(checkpoint);
        }
        Ok(Self {
            kept: read,
            key,
            header: None,
            chain: Chain::default(),
            seen: std::collections::HashMap::new(),
            compared: 0,
            anchored: false,
            lines: 0,
            bad: None,
        })
    }

    /// Takes the next line. After a fault nothing is looked at any more.
    pub(crate) fn line(&mut self, text: &[u8]) {
        self.lines += 1;
        if self.bad.is_some() || text.trim_ascii().is_empty() {
            return;
        }
        let next = self.chain.sequence() + 1;
        let taken = match serde_json::from_slice::<AuditLine>(text) {
            Err(e) => Err(fault(next, format!("this is no line of an export: {e}"))),
            Ok(AuditLine::Header(header)) => self.begin(header),
            Ok(AuditLine::Entry(_) | AuditLine::Checkpoint(_)) if self.header.is_none() => {
                let message = "the export does not begin with its header: lines are missing";
                Err(fault(next, message.to_owned()))
            }
            Ok(AuditLine::Entry(entry)) => self.entry(*entry),
            Ok(AuditLine::Checkpoint(checkpoint)) => self.compare(checkpoint),
        };
        if let Err(fault) = taken {
            self.bad = Some((self.lines, fault));
        }
    }

    fn begin(&mut self, header: AuditHeader) -> std::result::Result<(), Fault> {
        if header.format != FORMAT {
            let message = format!("the export's form is {}, not {FORMAT}", header.format);
            return Err(fault(0, message));
        }
        if self.header.is_some() {
            // An export that continues another, put behind it.
            let here = (self.chain.sequence(), self.chain.hash());
            if (header.begins_after, header.begins_after_hash.as_str()) == here {
                return Ok(());
            }
            let (place, there) = (header.begins_after, here.0);
            let message =
                format!("an export that begins after entry {place} follows entry {there}");
            return Err(fault(place + 1, message));
        }
        let (place, hash) = (header.begins_after, header.begins_after_hash.clone());
        self.chain = match place {
            0 => Chain::default(),
            _ => Chain::after(place, hash.clone()),
        };
        self.seen.insert(place, hash);
        if self.key.is_none() {
            self.key.clone_from(&header.public_key);
        }
        self.header = Some(header);
        Ok(())
    }

    fn entry(&mut self, exported: ExportedEntry) -> std::result::Result<(), Fault> {
        let at = exported.sequence;
        let entry = entry(exported)
            .ok_or_else(|| fault(at, format!("entry {at} has unreadable fields")))?;
        self.chain.take(&entry)?;
        self.seen.insert(at, entry.hash);
        Ok(())
    }

    fn compare(&mut self, exported: AuditCheckpoint) -> std::result::Result<(), Fault> {
        let at = exported.sequence;
        let unsigned = || fault(at, format!("the checkpoint at entry {at} is not signed"));
        let checkpoint = checkpoint(exported).ok_or_else(unsigned)?;
        let key = self.key.as_deref().unwrap_or_default();
        if !is_signed(&checkpoint, key) {
            let message = format!("the checkpoint at entry {at} is not signed by {key}");
            return Err(fault(at, message));
        }
        self.fits(&checkpoint)?;
        let begins = self.header.as_ref().map(|h| h.begins_after);
        self.anchored |= checkpoint.kind == CheckpointKind::Anchor && begins == Some(at);
        Ok(())
    }

    fn fits(&mut self, checkpoint: &Checkpoint) -> std::result::Result<(), Fault> {
        let at = checkpoint.sequence;
        let begins = self.header.as_ref().map_or(0, |h| h.begins_after);
        match self.seen.get(&at) {
            Some(hash) if *hash == checkpoint.hash => {
                self.compared += 1;
                Ok(())
            }
            Some(_) => Err(fault(
                at,
                format!(
                    "entry {at} is not the one that its checkpoint was signed for: the chain was \
                     written anew"
                ),
            )),
            // From before the beginning: nothing here to compare it with.
            None if at < begins => Ok(()),
            None => {
                let last = self.chain.sequence();
                let message = format!(
                    "entries after {last} are missing: a checkpoint was signed at entry {at}"
                );
                Err(Fault {
                    wrong: domain::audit::Wrong::Missing,
                    ..fault(last + 1, message)
                })
            }
        }
    }

    /// What was found.
    pub(crate) fn end(mut self) -> Verdict {
        if self.header.is_none() && self.bad.is_none() {
            let message = "this is no export: it is empty".to_owned();
            self.bad = Some((1, fault(0, message)));
        }
        for checkpoint in std::mem::take(&mut self.kept) {
            if self.bad.is_some() {
                break;
            }
            let own = self.header.as_ref().map(|h| h.organization_id.as_str());
            let fits = if own == Some(checkpoint.organization_id.as_str()) {
                self.fits(&checkpoint)
            } else {
                let message = "the checkpoint is of another organization's chain".to_owned();
                Err(fault(checkpoint.sequence, message))
            };
            if let Err(fault) = fits {
                self.bad = Some((self.lines, fault));
            }
        }
        let (line, bad) = self.bad.map_or((None, None), |(l, f)| (Some(l), Some(f)));
        Verdict {
            intact: bad.is_none(),
            organization_id: self.header.as_ref().map(|h| h.organization_id.clone()),
            entries: self.chain.checked(),
            begins_after: self.header.as_ref().map_or(0, |h| h.begins_after),
            anchored: self.anchored,
            sequence: self.chain.sequence(),
            head: self.chain.hash().to_owned(),
            checkpoints: self.compared,
            public_key: self.key,
            first_bad: bad.as_ref().map(|f| f.sequence),
            wrong: bad.as_ref().map(|f| f.wrong.as_str()),
            problem: bad.map(|f| {
                let line = line.unwrap_or_default();
                format!("line {line}: {}", f.message)
            }),
            line,
        }
    }
}

/// Verifies a file.
pub(crate) fn of_file(path: &Path, mut walk: Walk) -> Result<Verdict> {
    let place = path.display();
    let cannot = |e: std::io::Error| Failure::usage(format!("cannot read {place}: {e}"));
    let mut file = BufReader::with_capacity(1 << 20, std::fs::File::open(path).map_err(cannot)?);
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line).map_err(cannot)? > 0 {
        walk.line(&line);
        line.clear();
    }
    Ok(walk.end())
}

fn is_signed(checkpoint: &Checkpoint, key: &str) -> bool {
    let message = checkpoint.message();
    checkpoint.public_key == key && vault::is_signed(key, message.as_bytes(), &checkpoint.signature)
}

fn checkpoint(c: AuditCheckpoint) -> Option<Checkpoint> {
    Some(Checkpoint {
        organization_id: c.organization_id.parse().ok()?,
        kind: CheckpointKind::parse(&c.kind)?,
        sequence: c.sequence,
        hash: c.hash,
        at: domain::time::instant(&c.at)?,
        public_key: c.public_key,
        signature: c.signature,
    })
}

/// None where a field is not of the form in which it was written: another text of the same meaning
/// would not be noticed by the hash.
fn entry(e: ExportedEntry) -> Option<AuditEntry> {
    let at = domain::time::instant(&e.at).filter(|at| at.to_rfc3339() == e.at)?;
    Some(AuditEntry {
        sequence: e.sequence,
        organization_id: e.organization_id.parse().ok()?,
        form: e.form,
        draft: AuditDraft {
            id: e.id.parse().ok()?,
            workspace_id: e.workspace_id.parse().ok()?,
            account_id: e.account_id.map(|id| id.parse()).transpose().ok()?,
            via: e.via,
            origin: Origin {
                client: e.client,
                key_id: e.key_id.map(|id| id.parse()).transpose().ok()?,
                address: e.address,
                request_id: e.request_id,
            },
            action: e.action,
            subject: e.subject,
            detail: e.detail,
            at,
        },
        previous_hash: e.previous_hash,
        hash: e.hash,
    })
}
