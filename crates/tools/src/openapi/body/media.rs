//! What a media type says of the bytes that it names.

use crate::openapi::binding::BodyKind;
use crate::openapi::responses::Form;

/// The media types of forms: urlencoded and multipart.
pub(crate) const FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];

/// The media type without parameters, in small letters.
pub(crate) fn essence(media_type: &str) -> String {
    media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// What kind of body a media type is sent as.
pub(crate) fn kind(media_type: &str) -> BodyKind {
    let [urlencoded, multipart] = FORMS;
    match essence(media_type).as_str() {
        form if form == urlencoded => BodyKind::Form,
        form if form == multipart => BodyKind::Multipart,
        // A wildcard accepts JSON like anything else.
        "*/*" | "application/*" => BodyKind::Json,
        other if other.starts_with("multipart/") => BodyKind::Multipart,
        other => match Form::of(other) {
            Form::Json => BodyKind::Json,
            Form::Lines => BodyKind::Lines,
            Form::Text | Form::Events => BodyKind::Text,
            Form::Bytes => BodyKind::Binary,
        },
    }
}

/// Whether a media type is JSON, one value of it.
pub(crate) fn is_json(media_type: &str) -> bool {
    Form::of(&essence(media_type)) == Form::Json
}

/// Whether bytes of a media type are text to a program.
pub(crate) fn is_text(essence: &str) -> bool {
    essence.starts_with("text/")
        || essence.ends_with("+xml")
        || essence.ends_with("+yaml")
        || matches!(
            essence,
            "application/xml"
                | "application/yaml"
                | "application/x-yaml"
                | "application/javascript"
                | "application/ecmascript"
                | "application/graphql"
                | "application/sdp"
                | "application/sql"
                | "application/toml"
                | "application/x-www-form-urlencoded"
        )
}
