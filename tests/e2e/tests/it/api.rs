//! The API of a server under test, as a client uses it: tasks, approvals, lists.

use crate::server::{PATIENCE, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const STATUSES_FINAL: [&str; 5] = ["completed", "failed", "timed_out", "denied", "canceled"];

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

impl Server {
    /// Sends one request to the API and gives back whatever it answers.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.send_as(None, method, path, body).await
    }

    /// The same with an API key.
    pub(crate) async fn send_as(
        &self,
        key: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Reply {
        let method = method.parse::<reqwest::Method>().expect("a method");
        let mut request = self
            .http
            .request(method, format!("{}/api/v1{path}", self.url()));
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let answer = request
            .send()
            .await
            .unwrap_or_else(|e| panic!("{path}: {e:?}\n{}", self.log()));
        let status = answer.status().as_u16();
        let header = answer
            .headers()
            .get("content-type")
            .and_then(|v| v.to_str().ok());
        let content_type = header.unwrap_or_default().to_owned();
        let text = answer.bytes().await.expect("the answer is whole");
        self.hear(&text);
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&text)
                .unwrap_or_else(|e| panic!("{path}: {e}: {}", String::from_utf8_lossy(&text)))
        };
        Reply {
            status,
            content_type,
            body,
        }
    }

    /// A read that must succeed.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let reply = self.send("GET", path, None).await;
        assert_eq!(reply.status, 200, "GET {path}: {reply:#?}\n{}", self.log());
        reply.body
    }

    /// A write that must succeed.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let reply = self.send("POST", path, Some(&body)).await;
        assert!(
            (200..300).contains(&reply.status),
            "POST {path}: {reply:#?}\n{}",
            self.log()
        );
        reply.body
    }

    /// Submits a program and gives back the task's identifier.
    pub(crate) async fn submit(&self, code: &str) -> String {
        let task = self.post("/tasks", json!({ "code": code })).await;
        task["id"].as_str().expect("a task has an id").to_owned()
    }

    /// Runs a program to its end and gives back the finished task.
    pub(crate) async fn run(&self, code: &str) -> Value {
        let id = self.submit(code).await;
        self.finished(&id).await
    }

    /// Runs a program that must complete and gives back its result.
    pub(crate) async fn value(&self, code: &str) -> Value {
        let task = self.run(code).await;
        assert_eq!(task["status"], "completed", "{task:#}\n{}", self.log());
        task["result"].clone()
    }

    /// The task as it stands.
    pub(crate) async fn task(&self, id: &str) -> Value {
        self.get(&format!("/tasks/{id}")).await
    }

    /// The task once it has ended.
    pub(crate) async fn finished(&self, id: &str) -> Value {
        self.task_until(id, |task| {
            STATUSES_FINAL.iter().any(|s| task["status"] == *s)
        })
        .await
    }

    /// The task once `holds` is true of it.
    pub(crate) async fn task_until(&self, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let task = self.task(id).await;
            if holds(&task) {
                return task;
            }
            assert!(Instant::now() < deadline, "still {task:#}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The pending approvals, the oldest first, once there are `count` of them.
    pub(crate) async fn pending(&self, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let page = self.get("/approvals?status=pending").await;
            let mut items = page["items"].as_array().expect("a page has items").clone();
            assert!(
                items.len() <= count,
                "more than {count} approvals: {page:#}"
            );
            if items.len() == count {
                items.sort_by_key(|a| a["sequence"].as_u64());
                return items;
            }
            assert!(
                Instant::now() < deadline,
                "{} of {count}: {page:#}",
                items.len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Approves, and gives back the approval.
    pub(crate) async fn approve(&self, approval: &Value) -> Value {
        let id = approval["id"].as_str().expect("an approval has an id");
        self.post(&format!("/approvals/{id}/approve"), json!({}))
            .await
    }

    /// Denies with a reason, and gives back the approval.
    pub(crate) async fn deny(&self, approval: &Value, reason: &str) -> Value {
        let id = approval["id"].as_str().expect("an approval has an id");
        self.post(
            &format!("/approvals/{id}/deny"),
            json!({ "reason": reason }),
        )
        .await
    }

    /// The calls of a task.
    pub(crate) async fn calls(&self, task: &str) -> Vec<Value> {
        items(&self.get(&format!("/tasks/{task}/calls")).await)
    }

    /// The texts a task has logged.
    pub(crate) async fn logs(&self, task: &str) -> Vec<String> {
        let lines = items(&self.get(&format!("/tasks/{task}/logs")).await);
        lines
            .iter()
            .map(|l| l["text"].as_str().expect("a line has text").to_owned())
            .collect()
    }
}

/// The items of a list, whether it comes as a page or bare.
pub(crate) fn items(list: &Value) -> Vec<Value> {
    let page = if list.is_array() {
        list
    } else {
        &list["items"]
    };
    page.as_array()
        .unwrap_or_else(|| panic!("neither a list nor a page: {list:#}"))
        .clone()
}
