//! What the scan of a description found: text that may be meant for a model instead of a person.
//!
//! A finding is shown and stored, never acted on in silence. Found by `tools::scan`; what follows
//! from one (a tool that asks until somebody has looked) is decided by the engine.

/// One thing that a person should see before agents read a description.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The path of the tool whose text holds it. `None` where it concerns the whole source: its
    /// name, its title, or a shared type that many of its tools use.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tool: Option<String>,
    /// Which text it stands in.
    pub place: Place,
    /// Where exactly within that text's home, such as the argument `filter.owner`; empty where
    /// `place` says it all.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub at: String,
    /// What was found.
    pub kind: FindingKind,
    /// How much it matters.
    pub severity: Severity,
    /// The text around it, at most 200 characters on one line: every character that a reader
    /// would not see is written out as `\u{…}`, and what was encoded in it is decoded beside it.
    pub excerpt: String,
}

/// Which text of a description holds a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// The name of the source, or the title that it gives itself.
    Source,
    /// What the server says to every client at the start (MCP `instructions`).
    Instructions,
    /// The name of a tool.
    Name,
    /// The description of a tool.
    Description,
    /// The name or the description of an argument.
    Parameter,
    /// A value that an argument may take.
    Enum,
    /// A default or an example of an argument.
    Example,
    /// The type of what a tool answers with.
    Output,
}

impl Place {
    /// Every place.
    pub const ALL: [Self; 8] = [
        Self::Source,
        Self::Instructions,
        Self::Name,
        Self::Description,
        Self::Parameter,
        Self::Enum,
        Self::Example,
        Self::Output,
    ];

    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Instructions => "instructions",
            Self::Name => "name",
            Self::Description => "description",
            Self::Parameter => "parameter",
            Self::Enum => "enum",
            Self::Example => "example",
            Self::Output => "output",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == text)
    }
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FindingKind {
    /// Characters that a reader does not see: zero-width, tags, variation selectors, controls.
    HiddenCharacters,
    /// Characters that change the order in which text is shown.
    Bidirectional,
    /// Letters of another alphabet among Latin ones, which look like them.
    MixedScripts,
    /// Markup that a page would not show: HTML comments, invisible styles.
    HiddenMarkup,
    /// A long encoded text (base64, hex, escapes) in prose.
    EncodedText,
    /// Tells the model to drop what it was told, or who it is now.
    Override,
    /// Tells the model to keep something from its user.
    Secrecy,
    /// Tells the model to call this or another tool, always or first.
    Steering,
    /// Asks for secrets, files or the conversation, or to send them somewhere.
    Exfiltration,
    /// Says that no approval or confirmation is needed.
    SkipsApproval,
    /// Imitates the frame of a conversation: role tags, system messages, tool calls.
    FakeFrame,
    /// Speaks of a tool of another source.
    CrossMention,
    /// A name that is nearly that of something already connected.
    LookAlike,
}

impl FindingKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::HiddenCharacters,
        Self::Bidirectional,
        Self::MixedScripts,
        Self::HiddenMarkup,
        Self::EncodedText,
        Self::Override,
        Self::Secrecy,
        Self::Steering,
        Self::Exfiltration,
        Self::SkipsApproval,
        Self::FakeFrame,
        Self::CrossMention,
        Self::LookAlike,
    ];

    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HiddenCharacters => "hiddenCharacters",
            Self::Bidirectional => "bidirectional",
            Self::MixedScripts => "mixedScripts",
            Self::HiddenMarkup => "hiddenMarkup",
            Self::EncodedText => "encodedText",
            Self::Override => "override",
            Self::Secrecy => "secrecy",
            Self::Steering => "steering",
            Self::Exfiltration => "exfiltration",
            Self::SkipsApproval => "skipsApproval",
            Self::FakeFrame => "fakeFrame",
            Self::CrossMention => "crossMention",
            Self::LookAlike => "lookAlike",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == text)
    }

    /// What it means, in a sentence for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::HiddenCharacters => "holds characters that a reader does not see",
            Self::Bidirectional => "holds characters that change the order of the text shown",
            Self::MixedScripts => "holds letters of another alphabet that look like Latin ones",
            Self::HiddenMarkup => "holds markup that a page would not show",
            Self::EncodedText => "holds a long encoded text",
            Self::Override => "tells the model to drop its instructions",
            Self::Secrecy => "tells the model to keep something from its user",
            Self::Steering => "tells the model when to call tools",
            Self::Exfiltration => "asks for secrets, files or the conversation",
            Self::SkipsApproval => "says that no approval is needed",
            Self::FakeFrame => "imitates a message of the system or of a person",
            Self::CrossMention => "speaks of a tool of another source",
            Self::LookAlike => "has a name that is nearly that of something already connected",
        }
    }
}

/// How much a finding matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Often harmless: for whoever reads closely.
    Low,
    /// Unusual: somebody should look.
    Medium,
    /// Has no honest use in a description: the tool waits until somebody has looked.
    High,
}

impl Severity {
    /// The stable name, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: impl serde::Serialize) -> String {
        serde_json::to_string(&value).unwrap()
    }

    #[test]
    fn stored_names_are_those_of_json() {
        for place in Place::ALL {
            assert_eq!(Place::parse(place.as_str()), Some(place));
            assert_eq!(json(place), format!("\"{}\"", place.as_str()));
        }
        for kind in FindingKind::ALL {
            assert_eq!(FindingKind::parse(kind.as_str()), Some(kind));
            assert_eq!(json(kind), format!("\"{}\"", kind.as_str()));
            assert!(!kind.sentence().is_empty());
        }
        for severity in [Severity::Low, Severity::Medium, Severity::High] {
            assert_eq!(Severity::parse(severity.as_str()), Some(severity));
            assert_eq!(json(severity), format!("\"{}\"", severity.as_str()));
        }
        assert!(Severity::Low < Severity::High);
    }
}
