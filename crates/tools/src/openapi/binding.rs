//! How to call one operation: what the importer writes into `Tool::binding` and the request
//! builder reads.
//!
//! Part of a tool's digest, so a changed endpoint is a changed tool.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Operation {
    /// In capitals.
    pub(crate) method: String,
    /// The path template below the base address.
    pub(crate) path: String,
    /// A base address of its own, where the document gives this operation one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) server: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) parameters: Vec<Parameter>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) body: Option<Body>,
    /// Other forms of it, chosen by the arguments that only they take.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) other_bodies: Vec<Body>,
    /// The `Accept` header.
    pub(crate) accept: String,
    /// Whether the description says that doing it twice does what doing it once does.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) idempotent: bool,
    /// The argument by which the API recognizes a repetition.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) idempotency_key: Option<String>,
}

/// Where a parameter goes, in the order in which names are given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Location {
    Path,
    Query,
    Header,
    Cookie,
    /// The whole query (OpenAPI 3.2).
    Querystring,
}

impl Location {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Querystring => "querystring",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [
            Self::Path,
            Self::Query,
            Self::Header,
            Self::Cookie,
            Self::Querystring,
        ]
        .into_iter()
        .find(|l| l.as_str() == text)
    }
}

/// How a value becomes text (OpenAPI 3.2, "Style Values").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Style {
    Form,
    Simple,
    Label,
    Matrix,
    SpaceDelimited,
    PipeDelimited,
    DeepObject,
    /// Pairs as a cookie has them, nothing encoded.
    Cookie,
    /// Not a style of OpenAPI's: `tsv` of Swagger 2.0.
    TabDelimited,
    /// Not a style of OpenAPI's: the parameter has `content` and is sent as JSON text.
    Json,
}

impl Style {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "form" => Self::Form,
            "simple" => Self::Simple,
            "label" => Self::Label,
            "matrix" => Self::Matrix,
            "spaceDelimited" => Self::SpaceDelimited,
            "pipeDelimited" => Self::PipeDelimited,
            "deepObject" => Self::DeepObject,
            "cookie" => Self::Cookie,
            "tabDelimited" => Self::TabDelimited,
            _ => return None,
        })
    }
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Parameter {
    /// The argument that it is filled from.
    pub(crate) arg: String,
    /// Its name on the wire.
    pub(crate) name: String,
    #[serde(rename = "in")]
    pub(crate) location: Location,
    pub(crate) style: Style,
    pub(crate) explode: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) allow_reserved: bool,
}

/// What kind of text or bytes a body is, preferred ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BodyKind {
    Json,
    Form,
    Multipart,
    /// One JSON value a line.
    Lines,
    Text,
    Binary,
}

/// Which arguments a body is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum BodyShape {
    /// One argument holds all of it.
    Whole(String),
    /// It is an object and its fields are arguments.
    Fields {
        /// Argument and name on the wire, where they differ.
        #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
        renamed: BTreeMap<String, String>,
        /// The arguments that are fields under their own name.
        names: Vec<String>,
        /// Whether arguments that nothing else claims are fields too.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        open: bool,
        /// The argument that holds an object whose fields are fields too.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        rest: Option<String>,
    },
}

/// A request body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Body {
    pub(crate) media_type: String,
    /// Other media types that bytes may be of; a file says which.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) also: Vec<String>,
    pub(crate) kind: BodyKind,
    pub(crate) shape: BodyShape,
    /// Whether a body is sent even when none of its fields is given.
    pub(crate) required: bool,
    /// The arguments without which it is not whole, where there are other forms.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) needs: Vec<String>,
    /// The part of a multipart body that holds all fields but files, as JSON.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) json_part: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub(crate) encoding: BTreeMap<String, Encoding>,
}

/// How one field of a form or multipart body is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Encoding {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) style: Option<Style>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) explode: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) allow_reserved: bool,
}
