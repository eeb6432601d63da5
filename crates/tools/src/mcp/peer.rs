//! What a server says by itself: questions are put to whoever runs the task, changes and progress are
//! passed on, the rest is refused or let go.
//!
//! A server gets no model to ask (sampling) and no directory (roots). It may question a person only in
//! the middle of a call, the person whose call it is, and only where its source may: that alone is
//! offered in the handshake, and whoever asks all the same is told no.

use super::elicit;
use super::fault::shortened;
use super::hearing::{McpHearing, McpNews, Patience};
use super::wire;
use domain::elicitation::{Elicitation, Way};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

const METHOD_NOT_FOUND: i64 = -32601;

/// The name of the one question that a request of a server's is.
const KEY: &str = "question";

/// Is told when the list of tools has changed.
pub(super) type OnChange = Arc<dyn Fn() + Send + Sync>;

/// What is said to a request of the server's own.
pub(super) enum Reply {
    /// This, at once.
    Now(String),
    /// What comes of it; nothing where nobody wants it any more.
    Later(BoxFuture<'static, Option<String>>),
}

/// The server at the other end.
pub(super) struct Peer {
    /// The source's name, or where it is while it has none.
    pub(super) name: String,
    on_change: Option<OnChange>,
    /// Whether it may question people.
    pub(super) may_ask: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The calls that are under way, by the numbers of their requests.
    calls: BTreeMap<u64, Heard>,
    /// Questions that are open, by the server's own numbers.
    asking: HashMap<String, watch::Sender<()>>,
}

struct Heard {
    hearing: McpHearing,
    patience: Arc<Patience>,
    /// Ends with the call.
    over: watch::Sender<()>,
}

/// A call that the server may turn to somebody about, until this is dropped.
pub(super) struct Underway {
    state: Arc<Mutex<State>>,
    id: u64,
}

impl Drop for Underway {
    fn drop(&mut self) {
        lock(&self.state).calls.remove(&self.id);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peer {
    pub(super) fn new(name: String, on_change: Option<OnChange>) -> Self {
        Self {
            name,
            on_change,
            may_ask: false,
            state: Arc::default(),
        }
    }

    /// A call is under way under the number of its request.
    pub(super) fn hears(
        &self,
        id: u64,
        hearing: Option<&McpHearing>,
        patience: &Arc<Patience>,
    ) -> Option<Underway> {
        let heard = Heard {
            hearing: hearing?.clone(),
            patience: Arc::clone(patience),
            over: watch::channel(()).0,
        };
        lock(&self.state).calls.insert(id, heard);
        let state = Arc::clone(&self.state);
        Some(Underway { state, id })
    }

    /// The reply to a request of the server's own; `about` is the request on whose stream it came.
    pub(super) fn asked(
        &self,
        about: Option<u64>,
        id: &Value,
        method: &str,
        params: &Value,
    ) -> Reply {
        let outcome = match method {
            "ping" => Ok(json!({})),
            "roots/list" => Ok(json!({ "roots": [] })),
            "elicitation/create" => match self.question(about, id, params) {
                Some(later) => return Reply::Later(later),
                None => Ok(json!({ "action": "decline" })),
            },
            "sampling/createMessage" => {
                self.refuse("a model");
                Err((
                    METHOD_NOT_FOUND,
                    "sampling is not offered: no server is given a model",
                ))
            }
            _ => Err((METHOD_NOT_FOUND, "this client does not offer that")),
        };
        Reply::Now(wire::reply(id, outcome))
    }

    fn question(
        &self,
        about: Option<u64>,
        id: &Value,
        params: &Value,
    ) -> Option<BoxFuture<'static, Option<String>>> {
        let mut state = lock(&self.state);
        let Some(heard) = state.about(about) else {
            self.refuse("a question to a person");
            return None;
        };
        let ask = heard.hearing.ask.clone().filter(|_| self.may_ask);
        let part = match ask.is_some() {
            true => elicit::part(KEY, params),
            false => Err("it may ask nobody".to_owned()),
        };
        let (part, ask) = match (part, ask) {
            (Ok(part), Some(ask)) => (part, ask),
            (Err(why), _) => {
                (heard.hearing.told)(McpNews::Refused(why));
                return None;
            }
            (Ok(_), None) => return None,
        };
        let (standing, mut over) = (heard.patience.stand(), heard.over.subscribe());
        let asked = Elicitation {
            source: self.name.clone(),
            parts: vec![part],
            given: Map::new(),
            state: None,
            way: Way::Live,
        };
        let (taken_back, mut back) = watch::channel(());
        state.asking.insert(id.to_string(), taken_back);
        let (all, id) = (Arc::clone(&self.state), id.clone());
        Some(Box::pin(async move {
            let answered = tokio::select! {
                mut responses = ask(asked) => responses.remove(KEY),
                // An error says that the call is over, or the question was taken back.
                _ = over.changed() => None,
                _ = back.changed() => None,
            };
            lock(&all).asking.remove(&id.to_string());
            drop(standing);
            Some(wire::reply(&id, Ok(answered?)))
        }))
    }

    fn refuse(&self, what: &str) {
        tracing::warn!(source.name = %self.name, "an MCP server asked for {what} and was refused");
    }

    /// A notification.
    pub(super) fn told(&self, method: &str, params: &Value) {
        match method {
            "notifications/tools/list_changed" => {
                if let Some(on_change) = &self.on_change {
                    on_change();
                }
            }
            "notifications/progress" => self.progress(params),
            "notifications/cancelled" => {
                if let Some(id) = params.get("requestId") {
                    lock(&self.state).asking.remove(&id.to_string());
                }
            }
            // Log lines and the like are the server's own.
            _ => tracing::trace!("an MCP server said {method}"),
        }
    }

    fn progress(&self, params: &Value) {
        let token = params.get("progressToken").and_then(Value::as_u64);
        let state = lock(&self.state);
        let heard = token.and_then(|id| state.calls.get(&id));
        if let (Some(heard), Some(line)) = (heard, progress(params)) {
            (heard.hearing.told)(McpNews::Progress(line));
        }
    }
}

impl State {
    /// The call that a request of the server's is about. Where one stream carries all, the latest, if
    /// all that are under way are of one task.
    fn about(&self, about: Option<u64>) -> Option<&Heard> {
        if let Some(id) = about {
            return self.calls.get(&id);
        }
        let (_, latest) = self.calls.last_key_value()?;
        let task = &latest.hearing.task;
        let alone = self.calls.values().all(|heard| heard.hearing.task == *task);
        alone.then_some(latest)
    }
}

/// How far a call is, in a sentence.
fn progress(params: &Value) -> Option<String> {
    let number = |key: &str| params.get(key).filter(|n| n.is_number());
    let done = number("progress")?;
    let mut line = match number("total") {
        Some(total) => format!("{done} of {total}"),
        None => done.to_string(),
    };
    if let Some(message) = params.get("message").and_then(Value::as_str) {
        line.push_str(&format!(": {}", shortened(message)));
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::Instant;

    fn said(reply: Reply) -> Value {
        match reply {
            Reply::Now(text) => serde_json::from_str(&text).expect("JSON"),
            Reply::Later(_) => panic!("somebody is asked"),
        }
    }

    fn form(field: &str) -> Value {
        json!({ "message": "m", "requestedSchema": { "type": "object",
            "properties": { field: { "type": "string" } } } })
    }

    fn hearing(task: &str) -> (McpHearing, Arc<Mutex<Vec<McpNews>>>) {
        let news: Arc<Mutex<Vec<McpNews>>> = Arc::default();
        let told = Arc::clone(&news);
        let task = task.to_owned();
        let who = task.clone();
        let hearing = McpHearing {
            task,
            ask: Some(Arc::new(move |asked: Elicitation| {
                assert_eq!((asked.source.as_str(), asked.way), ("s", Way::Live));
                let content = json!({ "action": "accept", "content": { "by": who } });
                Box::pin(async move { Map::from_iter([(KEY.to_owned(), content)]) })
            })),
            told: Arc::new(move |one| told.lock().expect("news").push(one)),
        };
        (hearing, news)
    }

    #[tokio::test]
    async fn nothing_of_ours_is_given_away() {
        let peer = Peer::new("s".into(), None);
        let asked = |method: &str| said(peer.asked(None, &json!(7), method, &form("a")));
        assert_eq!(asked("ping")["result"], json!({}));
        assert_eq!(asked("roots/list")["result"], json!({ "roots": [] }));
        assert_eq!(asked("elicitation/create")["result"]["action"], "decline");
        for refused in ["sampling/createMessage", "tools/list", "x"] {
            assert_eq!(
                asked(refused)["error"]["code"],
                METHOD_NOT_FOUND,
                "{refused}"
            );
        }
    }

    #[tokio::test]
    async fn a_question_reaches_whose_call_it_is_and_nobody_else() {
        let mut peer = Peer::new("s".into(), None);
        peer.may_ask = true;
        let patience = Patience::until_deadline(Instant::now() + Duration::from_secs(60));
        let ask = |about: Option<u64>, field: &str| {
            peer.asked(about, &json!("x"), "elicitation/create", &form(field))
        };
        let by = async |reply: Reply| match reply {
            Reply::Later(later) => {
                let text = later.await.expect("an answer");
                let reply: Value = serde_json::from_str(&text).expect("JSON");
                reply["result"]["content"]["by"].clone()
            }
            Reply::Now(text) => panic!("nobody was asked: {text}"),
        };
        assert_eq!(
            said(ask(None, "a"))["result"]["action"],
            "decline",
            "no call"
        );
        let (one, news) = hearing("one");
        let first = peer.hears(1, Some(&one), &patience);
        assert_eq!(by(ask(Some(1), "a")).await, "one");
        assert_eq!(by(ask(None, "a")).await, "one");
        assert_eq!(said(ask(Some(9), "a"))["result"]["action"], "decline");
        let (two, _) = hearing("two");
        let second = peer.hears(2, Some(&two), &patience);
        assert_eq!(by(ask(Some(2), "a")).await, "two");
        assert_eq!(
            said(ask(None, "a"))["result"]["action"],
            "decline",
            "whose?"
        );
        drop(second);
        assert_eq!(by(ask(None, "a")).await, "one");
        // What is refused is told, and asked of nobody.
        assert_eq!(
            said(ask(Some(1), "password"))["result"]["action"],
            "decline"
        );
        assert!(
            matches!(news.lock().expect("news").as_slice(), [McpNews::Refused(why)] if why.contains("secret"))
        );
        // A call that is over, and a question that is taken back, want no answer.
        let Reply::Later(open) = ask(Some(1), "a") else {
            panic!("somebody is asked");
        };
        drop(first);
        let never = McpHearing {
            ask: Some(Arc::new(|_| Box::pin(std::future::pending()))),
            ..one.clone()
        };
        drop(open);
        let call = peer.hears(3, Some(&never), &patience);
        let Reply::Later(open) = ask(Some(3), "a") else {
            panic!("somebody is asked");
        };
        peer.told("notifications/cancelled", &json!({ "requestId": "x" }));
        assert_eq!(open.await, None);
        let Reply::Later(open) = ask(Some(3), "a") else {
            panic!("somebody is asked");
        };
        drop(call);
        assert_eq!(open.await, None);
        assert!(!patience.asked().1, "nobody is asked any more");
    }

    #[test]
    fn progress_is_told_to_its_own_call_alone() {
        let peer = Peer::new("s".into(), None);
        let patience = Patience::until_deadline(Instant::now());
        let (one, news) = hearing("one");
        let _call = peer.hears(4, Some(&one), &patience);
        for (token, progress) in [
            (json!(4), json!(2)),
            (json!(5), json!(9)),
            (json!("4"), json!(9)),
            (json!(4), json!("x")),
        ] {
            let params = json!({ "progressToken": token, "progress": progress, "total": 3, "message": "on it" });
            peer.told("notifications/progress", &params);
        }
        let told = news.lock().expect("news").clone();
        assert_eq!(told, [McpNews::Progress("2 of 3: on it".to_owned())]);
    }
}
