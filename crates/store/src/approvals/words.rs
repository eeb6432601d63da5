//! Sentences that many questions have alike, in few bytes: there are many rows that wait. What is not
//! among them stands in the row as it is.

use domain::approval::Approval;
use domain::policy::asked_by_default;
use domain::tool::Risk;

/// Stands for the sentence of the default for a risk. No reason is this text.
const DEFAULT: &str = "=";

/// Reasons for a risk, with what stands for them. None of them is another one's code.
const REASONS: [(&str, &str); 8] = [
    ("~g", "GET method"),
    ("~p", "POST method"),
    ("~u", "PUT method"),
    ("~a", "PATCH method"),
    ("~d", "DELETE method"),
    ("~w", "first call of it in this workspace"),
    ("~c", "first call of it by this client for this person"),
    (
        "~s",
        "opened by a credential that the whole workspace shares",
    ),
];

/// Why a question was asked, as it stands in its row.
pub(super) fn pack_why(approval: &Approval) -> &str {
    let is_default = approval.rule_id.is_none()
        && approval.why == asked_by_default(approval.risk, approval.binding.policy_version);
    if is_default { DEFAULT } else { &approval.why }
}

/// Why a question was asked, of what stands in its row.
pub(super) fn unpack_why(stored: String, risk: Risk, policy_version: i64) -> String {
    if stored == DEFAULT {
        asked_by_default(risk, policy_version)
    } else {
        stored
    }
}

/// Reasons as they stand in a row.
pub(super) fn pack_reasons(reasons: &[String]) -> Vec<&str> {
    let code = |reason: &String| REASONS.iter().find(|(_, text)| text == reason);
    let packed = |reason| code(reason).map_or(reason.as_str(), |(code, _)| code);
    reasons.iter().map(packed).collect()
}

/// Reasons of what stands in a row.
pub(super) fn unpack_reasons(stored: Vec<String>) -> Vec<String> {
    let text = |code: &str| REASONS.iter().find(|(known, _)| *known == code);
    let whole = |reason: String| match text(&reason) {
        Some((_, text)) => (*text).to_owned(),
        None => reason,
    };
    stored.into_iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_come_back_as_they_were() {
        let mut all: Vec<String> = REASONS.iter().map(|(_, text)| (*text).to_owned()).collect();
        all.push("goes to api.example.com".to_owned());
        all.push("~p is 5".to_owned());
        let packed: Vec<String> = pack_reasons(&all).into_iter().map(str::to_owned).collect();
        assert!(packed[..REASONS.len()].iter().all(|code| code.len() == 2));
        assert_eq!(unpack_reasons(packed), all);
        let said = asked_by_default(Risk::Write, 7);
        assert_eq!(unpack_why(DEFAULT.to_owned(), Risk::Write, 7), said);
        assert_eq!(unpack_why("else".to_owned(), Risk::Write, 7), "else");
    }
}
