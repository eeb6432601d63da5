//! The bundled example API: a small company's accounts and payments, kept in memory.
//!
//! It stands for any API that a person would connect: it has a description, wants a bearer token,
//! and can read, write and delete. It listens on loopback alone, holds nothing of value and knows
//! nothing of Executor. See `commands/example.rs` for the tour that uses it.

use axum::Router;
use axum::extract::{Json, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::future::Future;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

/// Title by which the description names the API.
pub(crate) const TITLE: &str = "Ledger (bundled example)";

/// Token that the API wants. It protects a toy, so it may stand here: what matters is that programs
/// never see it.
pub(crate) const TOKEN: &str = "ledger-example-token";

const DOCUMENT: &str = include_str!("example_api/openapi.json");

/// Distance of the example's port from the server's, so that both survive a restart.
const PORT_DISTANCE: u16 = 10_000;

/// The name that its tools begin with.
pub(crate) const NAME: &str = "ledger";

/// The first program.
pub(crate) const PROGRAM: &str = include_str!("example_api/first-program.ts");

/// What people are told who want to connect it, where it listens on `address`.
pub(crate) fn offered(address: &str) -> api::system::ExampleApi {
    api::system::ExampleApi {
        name: NAME.to_owned(),
        title: TITLE.to_owned(),
        url: format!("{address}/openapi.json"),
        auth: "bearer".to_owned(),
        token: TOKEN.to_owned(),
        program: PROGRAM.to_owned(),
    }
}

struct Account {
    id: &'static str,
    name: &'static str,
    balance: i64,
}

struct Payment {
    id: String,
    from: String,
    to: String,
    amount: i64,
    memo: String,
}

struct Ledger {
    accounts: Vec<Account>,
    payments: Vec<Payment>,
    numbered: u32,
}

type Shared = Arc<Mutex<Ledger>>;

/// Opens the example's port beside the server's: a fixed distance from it, or any free one.
pub(crate) fn bind(server_port: u16, any_port: bool) -> std::io::Result<TcpListener> {
    let port = match server_port.checked_add(PORT_DISTANCE) {
        _ if any_port => 0,
        Some(above) => above,
        None => server_port - PORT_DISTANCE,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves the API until `shutdown`.
pub(crate) async fn serve(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%error, "the example API cannot be served");
            return;
        }
    };
    if let Err(error) = axum::serve(listener, router())
        .with_graceful_shutdown(shutdown)
        .await
    {
        tracing::warn!(%error, "the example API ended");
    }
}

fn router() -> Router {
    let ledger: Shared = Arc::new(Mutex::new(Ledger::fresh()));
    Router::new()
        .route("/v1/accounts", get(list_accounts))
        .route("/v1/accounts/{id}", get(get_account))
        .route("/v1/payments", get(list_payments).post(create_payment))
        .route("/v1/payments/{id}", get(get_payment).delete(revoke_payment))
        .layer(from_fn(want_token))
        .route(
            "/openapi.json",
            get(|| async { ([(header::CONTENT_TYPE, "application/json")], DOCUMENT) }),
        )
        .with_state(ledger)
}

async fn want_token(request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok());
    if given.and_then(|v| v.strip_prefix("Bearer ")) == Some(TOKEN) {
        next.run(request).await
    } else {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"ledger\"")];
        (
            StatusCode::UNAUTHORIZED,
            challenge,
            problem("the token is missing or wrong"),
        )
            .into_response()
    }
}

async fn list_accounts(State(ledger): State<Shared>) -> Json<Value> {
    let ledger = locked(&ledger);
    Json(json!({ "accounts": ledger.accounts.iter().map(Account::to_json).collect::<Vec<_>>() }))
}

async fn get_account(State(ledger): State<Shared>, Path(id): Path<String>) -> Response {
    match locked(&ledger).accounts.iter().find(|a| a.id == id) {
        Some(account) => Json(account.to_json()).into_response(),
        None => not_found("account", &id),
    }
}

async fn list_payments(State(ledger): State<Shared>) -> Json<Value> {
    let ledger = locked(&ledger);
    Json(
        json!({ "payments": ledger.payments.iter().rev().map(Payment::to_json).collect::<Vec<_>>() }),
    )
}

async fn get_payment(State(ledger): State<Shared>, Path(id): Path<String>) -> Response {
    match locked(&ledger).payments.iter().find(|p| p.id == id) {
        Some(payment) => Json(payment.to_json()).into_response(),
        None => not_found("payment", &id),
    }
}

async fn create_payment(State(ledger): State<Shared>, Json(wanted): Json<Value>) -> Response {
    let text = |key: &str| wanted.get(key).and_then(Value::as_str).unwrap_or_default();
    let amount = wanted.get("amount").and_then(Value::as_i64).unwrap_or(0);
    let mut ledger = locked(&ledger);
    match ledger.pay(text("from"), text("to"), amount, text("memo")) {
        Ok(payment) => (StatusCode::CREATED, Json(payment)).into_response(),
        Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, problem(&why)).into_response(),
    }
}

async fn revoke_payment(State(ledger): State<Shared>, Path(id): Path<String>) -> Response {
    let mut ledger = locked(&ledger);
    let Some(index) = ledger.payments.iter().position(|p| p.id == id) else {
        return not_found("payment", &id);
    };
    let payment = ledger.payments.remove(index);
    ledger.book(&payment.to, -payment.amount);
    ledger.book(&payment.from, payment.amount);
    StatusCode::NO_CONTENT.into_response()
}

impl Ledger {
    fn fresh() -> Self {
        let accounts = vec![
            Account {
                id: "acc_operations",
                name: "Operations",
                balance: 1_250_000,
            },
            Account {
                id: "acc_travel",
                name: "Travel",
                balance: 42_000,
            },
            Account {
                id: "acc_reserve",
                name: "Reserve",
                balance: 9_000_000,
            },
        ];
        Self {
            accounts,
            payments: Vec::new(),
            numbered: 0,
        }
    }

    fn pay(&mut self, from: &str, to: &str, amount: i64, memo: &str) -> Result<Value, String> {
        for id in [from, to] {
            if !self.accounts.iter().any(|a| a.id == id) {
                return Err(format!("there is no account '{id}'"));
            }
        }
        let available = self
            .accounts
            .iter()
            .find(|a| a.id == from)
            .map_or(0, |a| a.balance);
        if amount < 1 || amount > available {
            return Err(format!("the amount must be from 1 to {available} cents"));
        }
        self.book(from, -amount);
        self.book(to, amount);
        self.numbered += 1;
        let id = format!("pay_{}", self.numbered);
        let payment = Payment {
            id,
            from: from.into(),
            to: to.into(),
            amount,
            memo: memo.into(),
        };
        let shown = payment.to_json();
        self.payments.push(payment);
        Ok(shown)
    }

    fn book(&mut self, id: &str, amount: i64) {
        if let Some(account) = self.accounts.iter_mut().find(|a| a.id == id) {
            account.balance += amount;
        }
    }
}

impl Account {
    fn to_json(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "balance": self.balance })
    }
}

impl Payment {
    fn to_json(&self) -> Value {
        json!({ "id": self.id, "from": self.from, "to": self.to, "amount": self.amount, "memo": self.memo })
    }
}

fn locked(ledger: &Shared) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

fn problem(why: &str) -> Json<Value> {
    Json(json!({ "error": why }))
}

fn not_found(what: &str, id: &str) -> Response {
    (
        StatusCode::NOT_FOUND,
        problem(&format!("there is no {what} '{id}'")),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_moves_and_moves_back() {
        let mut ledger = Ledger::fresh();
        let sum = |l: &Ledger| l.accounts.iter().map(|a| a.balance).sum::<i64>();
        let before = sum(&ledger);
        let payment = ledger
            .pay("acc_operations", "acc_travel", 100, "x")
            .unwrap();
        assert_eq!(payment["id"], "pay_1");
        assert_eq!(
            (ledger.accounts[0].balance, sum(&ledger)),
            (1_249_900, before)
        );
        for (from, to, amount) in [
            ("acc_x", "acc_travel", 1),
            ("acc_travel", "acc_reserve", 0),
            ("acc_travel", "acc_reserve", 99_999_999),
        ] {
            assert!(ledger.pay(from, to, amount, "").is_err());
        }
    }

    #[test]
    fn the_description_names_itself() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        assert_eq!(document["info"]["title"], TITLE);
    }
}
