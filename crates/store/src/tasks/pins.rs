//! What replay must find unchanged, as a row has it: digests packed, and the engine in a column of its
//! own, by which tasks are handed out.

use crate::db::{Row, json};
use crate::{Error, packed};
use domain::CredentialId;
use domain::task::{Fork, Pins};

#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    source: String,
    code: String,
    /// Only of a task from before the engine had its column.
    #[serde(skip_serializing, default)]
    engine: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    fork: Option<Fork>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    run_as: Option<CredentialId>,
}

/// As the column `pins` has them.
pub(super) fn text(pins: &Pins) -> Result<String, Error> {
    json(&Kept {
        source: packed::pack(&pins.source).into_owned(),
        code: packed::pack(&pins.code).into_owned(),
        engine: String::new(),
        fork: pins.fork.clone(),
        run_as: pins.run_as.clone(),
    })
}

/// What two columns say of what replay must find unchanged: `pins` and `engine`.
pub(super) fn read(r: &mut Row<'_>) -> Result<Pins, Error> {
    let kept: Kept = r.json()?;
    let engine = r.text()?;
    Ok(Pins {
        source: packed::unpack(kept.source),
        code: packed::unpack(kept.code),
        engine: if engine.is_empty() {
            kept.engine
        } else {
            engine
        },
        fork: kept.fork,
        run_as: kept.run_as,
    })
}
