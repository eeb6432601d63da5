//! Everybody who tries a table of roles: one of each role behind a key, one of each in a browser,
//! somebody who is a member of nothing, nobody, and whoever runs the server.
//!
//! Each has the same things to try it on, some their own and some of others, so that no try stands in
//! the way of another and whoever may do something succeeds. The tables are in `roles.rs` (routes)
//! and `role_commands.rs` (commands).

mod things;

use crate::api::{Reply, items};
use crate::asking;
use crate::browser::Browser;
use crate::database::Database;
use crate::issuer::{Issuer, person};
use crate::people::text;
use crate::receiver::Receiver;
use crate::server::{PATIENCE, Server};
use crate::upstream::Upstream;
use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::process::Child;

/// How much somebody is, from below. A billing administrator is as much as a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Nobody,
    /// Signed in, and a member of nothing.
    Stranger,
    Member,
    Admin,
    Owner,
}

/// Who may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum May {
    /// Whoever is as much, also through a key.
    Any(Rank),
    /// Whoever is as much, in person: no key does it, whosoever it is.
    InPerson(Rank),
}

impl May {
    pub(crate) fn lets(self, trier: &Trier) -> bool {
        match self {
            Self::Any(rank) => trier.rank >= rank,
            Self::InPerson(rank) => trier.rank >= rank && !matches!(trier.way, Way::Key(_)),
        }
    }
}

/// How the server knows who asks.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    Nothing,
    Key(String),
    /// The cookies of a browser.
    Session(String),
    /// What only the user who runs the server can read, and shows.
    Operator,
}

impl Way {
    /// A request of this one to the API.
    pub(crate) fn request(&self, server: &Server, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse::<reqwest::Method>().expect("a method");
        let url = format!("{}/api/v1{path}", server.url());
        let request = server.http.request(method, url);
        // Whoever runs these tests runs the server, too: a proxy's header makes it look further.
        match self {
            Self::Nothing => request.header("x-forwarded-for", "203.0.113.7"),
            Self::Key(key) => request.bearer_auth(key),
            Self::Session(cookies) => request
                .header("x-forwarded-for", "203.0.113.7")
                .header("origin", server.url())
                .header("cookie", cookies),
            Self::Operator => {
                let token = std::fs::read_to_string(server.data().join("owner-token"));
                request.header(
                    "x-executor-owner",
                    token.expect("the server's owner").trim(),
                )
            }
        }
    }

    pub(crate) async fn send(
        &self,
        server: &Server,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Reply {
        let mut request = self.request(server, method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("all of it");
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Reply {
            status,
            content_type: String::new(),
            body,
        }
    }

    /// A read that must succeed.
    pub(crate) async fn get(&self, server: &Server, path: &str) -> Value {
        let reply = self.send(server, "GET", path, None).await;
        assert_eq!(reply.status, 200, "{path}: {reply:#?}\n{}", server.log());
        reply.body
    }

    /// A write that must succeed.
    pub(crate) async fn post(&self, server: &Server, path: &str, body: Value) -> Value {
        let reply = self.send(server, "POST", path, Some(&body)).await;
        assert!(
            reply.status < 300,
            "{path} {body}: {reply:#?}\n{}",
            server.log()
        );
        reply.body
    }

    async fn submit(&self, server: &Server, code: &str) -> String {
        let task = self.post(server, "/tasks", json!({ "code": code })).await;
        text(&task["id"])
    }
}

/// Somebody who tries.
#[derive(Debug)]
pub(crate) struct Trier {
    pub(crate) name: String,
    pub(crate) rank: Rank,
    pub(crate) way: Way,
    account: String,
    /// Sets this one's things apart.
    tag: char,
    /// What stands for what in the lines of a table, without the braces.
    words: Vec<(&'static str, String)>,
}

impl Trier {
    /// A line of a table with this one's things in it.
    pub(crate) fn fill(&self, line: &str) -> String {
        let filled = self
            .words
            .iter()
            .fold(line.to_owned(), |line, (word, value)| {
                line.replace(&format!("{{{word}}}"), value)
            });
        let unknown = filled
            .split('{')
            .skip(1)
            .find(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        assert_eq!(unknown, None, "{} has no such thing", self.name);
        filled
    }

    fn word(&self, word: &str) -> &str {
        let found = self.words.iter().find(|(known, _)| *known == word);
        &found.expect("such a thing").1
    }
}

const ROLES: [(&str, Rank); 4] = [
    ("member", Rank::Member),
    ("billing_admin", Rank::Member),
    ("admin", Rank::Admin),
    ("owner", Rank::Owner),
];

/// A server with everybody at it.
pub(crate) struct Cast {
    pub(crate) server: Server,
    pub(crate) upstream: Upstream,
    pub(crate) triers: Vec<Trier>,
    issuer: Issuer,
    receiver: Receiver,
    _asking: Child,
}

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Keys and browsers.
    Api,
    /// Keys and whoever runs the server.
    CommandLine,
}

impl Cast {
    pub(crate) async fn on(stage: Stage, database: Database) -> Self {
        let issuer = Issuer::start().await;
        let mut server = Server::prepare(database);
        server.environment = issuer.settings("oidc");
        let invited = ("EXECUTOR_SIGN_IN_ORGANIZATION", "invite");
        let invited = (invited.0.to_owned(), invited.1.to_owned());
        server.environment.push(invited);
        let receiver = Receiver::start().await;
        let services = ("EXECUTOR_PUSH_SERVICES".to_owned(), receiver.url(""));
        server.environment.push(services);
        server.launch().await;
        let upstream = Upstream::start().await;
        let (port, asking) = asking::stateless(&server).await;
        let url = format!("http://127.0.0.1:{port}/mcp");
        let new = json!({ "url": url, "name": "asking", "allowPrivate": true });
        Way::Operator.post(&server, "/sources", new).await;
        things::connect(&server, &upstream, "books").await;
        let mut cast = Self {
            server,
            upstream,
            triers: Vec::new(),
            issuer,
            receiver,
            _asking: asking,
        };
        cast.come(stage).await;
        cast.nobody_knows_what_became_of_a_call().await;
        cast.get_their_things().await;
        cast.are_asked().await;
        cast.outsiders_come(stage).await;
        cast
    }

    /// All who are members: behind keys, and in browsers or at the server's own machine.
    async fn come(&mut self, stage: Stage) {
        let mut tags = 'a'..='z';
        for (role, rank) in ROLES {
            let tag = tags.next().expect("letters");
            let (account, key) = things::keyed(&self.server, role).await;
            self.triers.push(Trier {
                name: format!("the key of a(n) {role}"),
                rank,
                way: Way::Key(key),
                account,
                tag,
                words: Vec::new(),
            });
        }
        if stage == Stage::CommandLine {
            let me = Way::Operator.get(&self.server, "/me").await;
            self.triers.push(Trier {
                name: "whoever runs the server".to_owned(),
                rank: Rank::Owner,
                way: Way::Operator,
                account: text(&me["accountId"]),
                tag: 'o',
                words: Vec::new(),
            });
            return;
        }
        for (role, rank) in ROLES {
            let tag = tags.next().expect("letters");
            let sub = format!("person-{tag}");
            let mut browser = self.sign_in(&sub).await;
            let invited = things::invited(&self.server, "/invites", role).await;
            let accepted = json!({ "token": invited });
            let accepted = browser
                .api("POST", "/invitations/accept", Some(&accepted))
                .await;
            assert!(accepted.status < 300, "{accepted:#?}");
            let mut browser = self.sign_in(&sub).await;
            self.triers.push(Trier {
                name: format!("a(n) {role} in person"),
                rank,
                account: browser.who().await.expect("signed in"),
                way: Way::Session(cookies(&browser)),
                tag,
                words: Vec::new(),
            });
        }
    }

    async fn sign_in(&self, sub: &str) -> Browser {
        self.issuer.book(|book| book.claims = person(sub));
        let mut browser = Browser::new(&self.server);
        let sent = browser.get("/sign-in/begin").await;
        let back = browser.get(sent.leads()).await;
        let shown = browser.get(back.leads()).await;
        assert_eq!(shown.status, 303, "{shown:#?}");
        browser
    }

    /// One write of everybody is under way when the server dies.
    async fn nobody_knows_what_became_of_a_call(&mut self) {
        let allow = |tools: &str| json!({ "effect": "allow", "match": { "tools": [tools] } });
        let (server, operator) = (&self.server, Way::Operator);
        let books = operator.post(server, "/policies", allow("books.**"));
        let books = format!("/policies/{}", text(&books.await["id"]));
        operator.post(server, "/policies", allow("asking.**")).await;
        self.upstream.hold_writes();
        let before = self.upstream.received().len();
        let code = "return await tools.books.items.createItem({ name: 'held', amount: 1 })";
        for trier in &self.triers {
            trier.way.submit(server, code).await;
        }
        self.upstream.arrived(before + self.triers.len()).await;
        self.server.kill().await;
        self.server.launch().await;
        self.upstream.release();
        let removed = operator.send(&self.server, "DELETE", &books, None).await;
        assert_eq!(removed.status, 204, "{removed:#?}");
        let asks = json!({
            "effect": "ask", "match": { "tools": ["books.items.createItem"] },
            "ask": { "mayEdit": true },
        });
        operator.post(&self.server, "/policies", asks).await;
    }

    async fn get_their_things(&mut self) {
        let (server, made) = (&self.server, (&self.upstream, &self.receiver));
        let link = things::guests(server).await;
        let token = link.rsplit('/').next().expect("a token").to_owned();
        let grants = things::grants(server, self.triers.len()).await;
        let mut all = Vec::new();
        for (trier, grant) in self.triers.iter().zip(grants) {
            let session = self.another_session(trier).await;
            all.push(vec![
                ("session", session),
                ("grant", grant),
                ("guest token", token.clone()),
                ("guest link", link.clone()),
            ]);
        }
        let things = self.triers.iter().map(|trier| async move {
            let mut words = things::shared_things(server, made, trier).await;
            words.extend(things::club(server, trier).await);
            words.extend(things::notified(server, made.1, trier).await);
            words.extend(things::bystander(server).await);
            let source = words.iter().find(|(word, _)| *word == "source");
            let source = source.expect("a source").1.clone();
            words.extend(things::own_things(server, trier, &source).await);
            words
        });
        let things = join_all(things).await;
        for ((trier, known), more) in self.triers.iter_mut().zip(all).zip(things) {
            trier.words = known;
            trier.words.extend(more);
        }
    }

    /// Another browser of the same person; of keys there is none.
    async fn another_session(&self, trier: &Trier) -> String {
        match &trier.way {
            Way::Session(_) => {
                self.sign_in(&format!("person-{}", trier.tag)).await;
            }
            Way::Operator => {
                let mut browser = Browser::new(&self.server);
                browser.follow_link(&self.server).await;
            }
            Way::Nothing | Way::Key(_) => return format!("sess_{}", "0".repeat(26)),
        }
        let all = trier.way.get(&self.server, "/sessions").await;
        let all = items(&all);
        let other = all.iter().find(|session| session["current"] == false);
        text(&other.expect("the other one")["id"])
    }

    /// Waits until everybody is asked everything, and notes what by which identifier.
    async fn are_asked(&mut self) {
        let each = 6;
        let deadline = Instant::now() + PATIENCE;
        let pending = loop {
            let path = "/approvals?status=pending&limit=200";
            let pending = items(&Way::Operator.get(&self.server, path).await);
            // The bystanders have one each.
            if pending.len() == self.triers.len() * (each + 1) {
                break pending;
            }
            assert!(
                Instant::now() < deadline,
                "{}: {pending:#?}\n{}",
                pending.len(),
                self.server.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let of = |account: &str, question: &str| {
            let found = pending
                .iter()
                .filter(|a| a["requestedBy"] == account && a["question"] == question);
            found.map(|a| text(&a["id"])).collect::<Vec<_>>()
        };
        for trier in &mut self.triers {
            let (sent, again) = (of(&trier.account, "send"), of(&trier.account, "send_again"));
            let input = of(&trier.account, "input");
            assert_eq!((sent.len(), again.len(), input.len()), (4, 1, 1));
            let words = ["approval", "approval 2", "approval 3", "approval 4"];
            trier.words.extend(words.into_iter().zip(sent));
            trier.words.extend([
                ("uncertain", again[0].clone()),
                ("question", input[0].clone()),
            ]);
            let bystander = trier.word("bystander").to_owned();
            let asked = of(&bystander, "send").remove(0);
            trier.words.push(("bystander's approval", asked));
        }
    }

    /// Nobody, and whoever is a member of nothing, try what is a member's.
    async fn outsiders_come(&mut self, stage: Stage) {
        let member = &self.triers[if stage == Stage::Api { ROLES.len() } else { 0 }];
        let words = member.words.clone();
        let outsider = |name: &str, rank, way| Trier {
            name: name.to_owned(),
            rank,
            way,
            account: String::new(),
            tag: 'z',
            words: words.clone(),
        };
        let unknown = Way::Key(format!("exk_{}", "0".repeat(52)));
        let mut outsiders = vec![outsider("an unknown key", Rank::Nobody, unknown)];
        if stage == Stage::Api {
            outsiders.push(outsider("nobody", Rank::Nobody, Way::Nothing));
            let browser = self.sign_in("person-z").await;
            let way = Way::Session(cookies(&browser));
            let mut stranger = outsider("a stranger in person", Rank::Stranger, way);
            let session = self.another_session(&stranger).await;
            stranger.words.retain(|(word, _)| *word != "session");
            stranger.words.push(("session", session));
            outsiders.push(stranger);
        }
        self.triers.extend(outsiders);
    }
}

fn cookies(browser: &Browser) -> String {
    let pairs: Vec<String> = browser
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("; ")
}
