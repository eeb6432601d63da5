//! The same rules in other words.
use super::*;

pub(super) fn says(call: &Made, policy: &Policy) -> (Option<Effect>, Option<RuleId>) {
    let mut fitting: Vec<&Rule> = policy.rules.iter().filter(|r| fits(r, call)).collect();
    fitting.sort_by_key(|r| r.position);
    let mut said: Vec<&Rule> = Vec::new();
    for level in Level::ALL {
        let made = |r: &&&Rule| r.level == level && r.of_set.is_none();
        said.extend(fitting.iter().find(made));
    }
    let mut assigned: Vec<(Level, AssignmentId)> = fitting
        .iter()
        .filter_map(|r| Some((r.level, r.of_set.as_ref()?.assignment_id.clone())))
        .collect();
    assigned.sort();
    assigned.dedup();
    for (_, id) in assigned {
        let its = |r: &&&Rule| r.of_set.as_ref().is_some_and(|s| s.assignment_id == id);
        said.extend(fitting.iter().find(its));
    }
    if let Some(deny) = said.iter().find(|r| r.effect == Effect::Deny) {
        return (Some(Effect::Deny), Some(deny.id.clone()));
    }
    let mut asked: Option<(Ask, RuleId)> = None;
    for rule in &said {
        let Effect::Ask(ask) = &rule.effect else {
            continue;
        };
        match &mut asked {
            None => asked = Some((ask.clone(), rule.id.clone())),
            Some((all, _)) if rule.of_set.is_some() => {
                all.approvers.retain(|p| ask.approvers.contains(p));
                all.requester_may &= ask.requester_may;
                all.may_edit &= ask.may_edit;
                all.count = u32::max(all.count, ask.count);
                let waits = [all.wait_ms, ask.wait_ms];
                all.wait_ms = waits.into_iter().flatten().min();
            }
            Some(_) => {}
        }
    }
    match (asked, said.first()) {
        (Some((ask, id)), _) => (Some(Effect::Ask(ask)), Some(id)),
        (None, Some(allow)) => (Some(Effect::Allow), Some(allow.id.clone())),
        (None, None) => (None, None),
    }
}

fn fits(rule: &Rule, call: &Made) -> bool {
    let m = &rule.matches;
    let me = AccountId::from_bits([call.account; 16]);
    let key = call.key.map(|k| KeyId::from_bits([k; 16]));
    let source = plain(call.tool.split('.').next().expect("a segment"));
    if rule.level == Level::Personal && rule.account_id != Some(me.clone()) {
        return false;
    }
    if rule.until.is_some_and(|t| t.0 <= NOW) {
        return false;
    }
    let wanted = [
        m.tools.is_empty() || m.tools.iter().any(|p| glob(p.as_str(), &call.tool)),
        !m.except.iter().any(|p| glob(p.as_str(), &call.tool)),
        m.sources.is_empty() || m.sources.iter().any(|s| plain(s) == source),
        m.risks.is_empty() || m.risks.contains(&call.risk),
        m.persons.is_empty() || m.persons.contains(&me),
        m.roles.is_empty() || m.roles.contains(&call.role),
        m.clients.is_empty() || m.clients.iter().any(|c| c.to_lowercase() == call.client),
        m.keys.is_empty() || key.is_some_and(|k| m.keys.contains(&k)),
        m.channels.is_empty() || m.channels.contains(&call.channel),
    ];
    let closing = rule.effect != Effect::Allow;
    wanted.into_iter().all(|w| w)
        && m.conditions
            .iter()
            .all(|c| condition(c, &call.arguments).unwrap_or(closing))
}

fn plain(text: &str) -> String {
    text.to_lowercase().replace(['_', '-'], "")
}

fn glob(pattern: &str, path: &str) -> bool {
    fn segments(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            (["**", rest @ ..], _) => {
                (0..=path.len()).any(|skipped| segments(rest, &path[skipped..]))
            }
            ([first, rest @ ..], [segment, left @ ..]) => {
                letters(first.as_bytes(), segment.as_bytes()) && segments(rest, left)
            }
            _ => false,
        }
    }
    fn letters(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|n| letters(rest, &text[n..])),
            ([p, rest @ ..], [t, left @ ..]) => p == t && letters(rest, left),
            _ => false,
        }
    }
    let (pattern, path) = (plain(pattern), plain(path));
    let pattern: Vec<&str> = pattern.split('.').collect();
    segments(&pattern, &path.split('.').collect::<Vec<_>>())
}

/// Twice a number, which is whole in the world of these values.
fn doubled(value: &Value) -> Option<i64> {
    value.as_f64().map(|n| (n * 2.0) as i64)
}

fn like(a: &Value, b: &Value) -> bool {
    a.is_number() == b.is_number()
        && a.is_string() == b.is_string()
        && a.is_array() == b.is_array()
        && a.is_null() == b.is_null()
}

fn is(a: &Value, b: &Value) -> Option<bool> {
    if b.is_null() {
        return Some(a.is_null());
    }
    if !like(a, b) {
        return None;
    }
    Some(match doubled(a) {
        Some(a) => Some(a) == doubled(b),
        None => a == b,
    })
}

fn condition(c: &Condition, arguments: &Value) -> Option<bool> {
    let found = arguments.get(&c.path);
    let name = c.op.as_str();
    if name == "exists" || name == "absent" {
        return Some(found.is_some() == (name == "exists"));
    }
    let (found, operand) = (found?, c.value.as_ref()?);
    let ordered = |want: fn(i64) -> bool| match (doubled(found), doubled(operand)) {
        (Some(a), Some(b)) => Some(want(a - b)),
        _ => {
            let (a, b) = (found.as_str()?, operand.as_str()?);
            Some(want(i64::from(a > b) - i64::from(a < b)))
        }
    };
    let among = || {
        let operands = operand.as_array()?;
        if operands.iter().any(|o| is(found, o) == Some(true)) {
            Some(true)
        } else {
            operands.iter().any(|o| like(found, o)).then_some(false)
        }
    };
    match name {
        "=" => is(found, operand),
        "!=" => is(found, operand).map(|same| !same),
        "<" => ordered(|d| d < 0),
        "<=" => ordered(|d| d <= 0),
        ">" => ordered(|d| d > 0),
        ">=" => ordered(|d| d >= 0),
        "in" => among(),
        "not in" => among().map(|is| !is),
        other => panic!("the reference does not know {other}"),
    }
}
