//! Policy sets → public shapes and back. Decides nothing.

use super::policy::{draft, one, shown_ask, shown_match};
use crate::error::Failure;
use api::policies::NewRule;
use api::policy_sets as wire;
use domain::AccountId;
use domain::policy::{Level, SetRule};
use engine::{AssignTo, Assigned, PolicySetView, SetDraft, SetRuleDraft};

/// A set with its rules.
pub(crate) fn policy_set(view: &PolicySetView) -> wire::PolicySet {
    let rules = view.set.rules.iter().enumerate();
    wire::PolicySet {
        id: view.set.id.to_string(),
        name: view.set.name.clone(),
        description: view.set.description.clone(),
        rules: rules.map(|(at, r)| shown_rule(r, at + 1)).collect(),
        assignments: view.assigned.iter().map(assignment).collect(),
        created_at: view.set.created_at.to_rfc3339(),
    }
}

/// A set as it is listed.
pub(crate) fn summary(view: &PolicySetView) -> wire::PolicySetSummary {
    wire::PolicySetSummary {
        id: view.set.id.to_string(),
        name: view.set.name.clone(),
        description: view.set.description.clone(),
        rule_count: view.set.rules.len(),
        assignments: view.assigned.iter().map(assignment).collect(),
        created_at: view.set.created_at.to_rfc3339(),
    }
}

/// A rule of a set at a place, from 1.
pub(crate) fn shown_rule(r: &SetRule, position: usize) -> wire::SetRule {
    wire::SetRule {
        id: r.id.to_string(),
        position,
        effect: r.effect.as_str().to_owned(),
        matches: shown_match(&r.matches),
        ask: shown_ask(&r.effect),
        until: r.until.map(domain::Timestamp::to_rfc3339),
        note: r.note.clone(),
        created_at: r.created_at.to_rfc3339(),
    }
}

/// Whom a set binds.
pub(crate) fn assignment(a: &Assigned) -> wire::SetAssignment {
    let target = &a.assignment.target;
    wire::SetAssignment {
        id: a.assignment.id.to_string(),
        level: target.level().as_str().to_owned(),
        workspace: target.workspace().map(ToString::to_string),
        workspace_slug: a.workspace.clone(),
        person: target.person().map(ToString::to_string),
        person_name: a.person.clone(),
        created_at: a.assignment.created_at.to_rfc3339(),
    }
}

/// Reads what a set is called.
pub(crate) fn set_draft(new: wire::NewPolicySet) -> SetDraft {
    SetDraft {
        name: new.name,
        description: new.description.unwrap_or_default(),
    }
}

/// Reads a rule of a set.
pub(crate) fn set_rule(new: NewRule) -> Result<SetRuleDraft, Failure> {
    if new.level.is_some() {
        let why = "a rule of a set has none; it binds where the set is assigned";
        return Err(Failure::invalid("level", why));
    }
    let draft = draft(new)?;
    Ok(SetRuleDraft {
        matches: draft.matches,
        effect: draft.effect,
        until: draft.until,
        note: draft.note,
    })
}

/// Reads whom to bind with a set; what does not fit is named by its field, after a prefix.
pub(crate) fn assign_to(prefix: &str, new: &wire::NewAssignment) -> Result<AssignTo, Failure> {
    let (level, person) = (format!("{prefix}level"), format!("{prefix}person"));
    let expected = "organization, workspace or personal";
    match (
        one(&level, &new.level, Level::parse, expected)?,
        &new.person,
    ) {
        (Level::Organization, None) => Ok(AssignTo::Organization),
        (Level::Workspace, None) => Ok(AssignTo::Workspace),
        (Level::Personal, Some(text)) => {
            let read = |text: &str| AccountId::parse(text).ok();
            let account = one(&person, text, read, "an account such as acct_…")?;
            Ok(AssignTo::Person(account))
        }
        (Level::Personal, None) => Err(Failure::invalid(
            &person,
            "the level 'personal' needs the person, as acct_…",
        )),
        (Level::Organization | Level::Workspace, Some(_)) => Err(Failure::invalid(
            &person,
            "only the level 'personal' is about one person",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_named_by_its_field() {
        let person = AccountId::from_bits([1; 16]);
        for (new, field) in [
            (json!({ "level": "everybody" }), "to.level: "),
            (json!({ "level": "personal" }), "to.person: "),
            (
                json!({ "level": "personal", "person": "me" }),
                "to.person: ",
            ),
            (
                json!({ "level": "workspace", "person": person }),
                "to.person: ",
            ),
        ] {
            let new: wire::NewAssignment = serde_json::from_value(new).unwrap();
            let title = assign_to("to.", &new).unwrap_err().title().to_owned();
            assert!(title.starts_with(field), "{title}");
        }
        let new: NewRule = serde_json::from_value(json!({
            "effect": "deny", "level": "workspace",
        }))
        .unwrap();
        let title = set_rule(new).unwrap_err().title().to_owned();
        assert!(title.starts_with("level: "), "{title}");
    }
}
