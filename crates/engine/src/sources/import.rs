//! A description to tools: read, completed by what it refers to, walked. Nothing is stored here.

use crate::{Error, aside};
use domain::SourceId;
use domain::source::Origin;
use tools::{Import, ImportOptions, Parsed};

/// A description on its way into the catalog.
pub(super) struct Incoming {
    pub(super) id: SourceId,
    /// None to make one from the title.
    pub(super) name: Option<String>,
    pub(super) origin: Origin,
    pub(super) document: Vec<u8>,
    pub(super) base_url: Option<String>,
}

/// What a description is fetched with, and the documents that it refers to.
pub(super) struct Asked<'a> {
    egress: &'a tools::Egress,
    headers: &'a [(String, String)],
    allow_private: bool,
}

impl<'a> Asked<'a> {
    pub(super) fn new(
        egress: &'a tools::Egress,
        headers: &'a [(String, String)],
        allow_private: bool,
    ) -> Self {
        Self {
            egress,
            headers,
            allow_private,
        }
    }
}

impl Incoming {
    /// The address that it came from, and what it is called in errors.
    fn place(&self) -> (Option<&str>, &str) {
        match &self.origin {
            Origin::Url(url) => (Some(url), url),
            Origin::Upload(file) => (None, file),
        }
    }

    fn refused(&self, problem: &tools::ImportError) -> Error {
        Error::invalid("invalid_source", format!("{}: {problem}", self.place().1))
    }
}

/// Imports aside: a large description takes a while. Yields the source's name too.
pub(super) async fn import(
    incoming: Incoming,
    asked: Asked<'_>,
) -> Result<(Incoming, String, Import), Error> {
    let (incoming, mut parsed) = aside::run(move || {
        let parsed = Parsed::parse(&incoming.document, incoming.place().0);
        parsed
            .map_err(|e| incoming.refused(&e))
            .map(|parsed| (incoming, parsed))
    })
    .await??;
    if let Origin::Url(url) = &incoming.origin {
        parsed = with_others(parsed, url, asked).await?;
    }
    aside::run(move || {
        let (location, shown) = incoming.place();
        let name = incoming
            .name
            .clone()
            .unwrap_or_else(|| tools::suggest_name(&parsed.title(), Some(shown)));
        if !tools::valid_name(&name) {
            return Err(Error::invalid(
                "invalid_source",
                format!(
                    "'{name}' cannot be the first segment of a tool's path; a name is a camelCase \
                     identifier, such as gitHub"
                ),
            ));
        }
        let options = ImportOptions {
            source_id: incoming.id.clone(),
            name: &name,
            location,
            base_url: incoming.base_url.as_deref().filter(|u| !u.is_empty()),
        };
        let import = parsed.import(&options).map_err(|e| incoming.refused(&e))?;
        Ok((incoming, name, import))
    })
    .await?
}

/// Fetches what a description refers to, until nothing more is wanted.
async fn with_others(mut parsed: Parsed, url: &str, asked: Asked<'_>) -> Result<Parsed, Error> {
    loop {
        let wanted = parsed.wanted();
        if wanted.is_empty() {
            return Ok(parsed);
        }
        let read = asked
            .egress
            .fetch_others(wanted, url, asked.headers, asked.allow_private)
            .await;
        parsed = aside::run(move || {
            for (url, read) in read {
                parsed.add(&url, read);
            }
            parsed
        })
        .await?;
    }
}
