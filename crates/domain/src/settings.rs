//! What the administrators of a workspace have set. Each setting has its default here; what is not
//! set is not stored, so that a default may be improved.

/// The settings of one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Whether a person may answer an approval in a form that their MCP client shows. Off unless
    /// set: the server cannot see who fills in the form.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_client_decisions: bool,
    /// Whether a reviewer may change the arguments of any call that is asked about; a rule may say
    /// so for its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub approvers_may_edit: bool,
}
